"""What a model says of each image of a test set, and what that amounts to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.data.chunks import Chunk
from gapmatch.data.fast_decoding import OwnTransform
from gapmatch.data.image_stream import image_batches
from gapmatch.data.samples import Sample, Use
from gapmatch.models.clip_models import Preprocess
from gapmatch.running.errors import InputError

BATCH_SIZE = 256
"""Fixed, because accuracy drifts by about 0.001 with the batch size."""
GUESSES = 5


def classes_of(chunk: Chunk) -> tuple[str, ...]:
    """Return the names of a test set's classes by label.

    Raises:
        InputError: It has none.
    """
    if not chunk.classes:
        raise InputError(f"{chunk.dataset} has no classes: a test set needs labels")
    return chunk.classes


def predict(
    chunk: Chunk,
    preprocess: Preprocess,
    score: Callable[[torch.Tensor], torch.Tensor],
    workers: int,
) -> pl.DataFrame:
    """Rank the classes of a test set for each of its images.

    Args:
        chunk: The test set.
        preprocess: PIL image to (3, h, w) float32.
        score: Pixels (n, 3, h, w) to the scores (n, classes) of the test set's classes.
        workers: Processes that decode images; the result does not depend on it.

    Returns:
        One row per image that could be read, in order: test_row (int32), image_path, label
        (int32), predicted (int32), correct_top1, correct_top5 (bool).

    Raises:
        InputError: There is no image, or one has no label.
    """
    samples: list[Sample] = []
    ranked: list[npt.NDArray[np.int64]] = []
    with tqdm(total=chunk.samples, unit="image", mininterval=5, desc=chunk.dataset) as bar:
        shards = [shard.path for shard in chunk.shards]
        own = OwnTransform(preprocess)
        for batch, pixels in image_batches(shards, own, BATCH_SIZE, workers, Use.TEST):
            if len(pixels):
                ranked.append(_best(score(pixels)))
            samples += [sample for sample in batch if sample.reason is None]
            bar.update(len(batch))
    unlabelled = [sample.image_path for sample in samples if sample.label is None]
    if unlabelled or not samples:
        raise InputError(
            f"{chunk.dataset}: {len(unlabelled)} of {len(samples)} images have no label; "
            "a test set needs one image at least, and a label for each"
        )
    return _table(samples, np.concatenate(ranked))


def _best(scores: torch.Tensor) -> npt.NDArray[np.int64]:
    best = scores.topk(min(GUESSES, scores.shape[1]), dim=1).indices.cpu().numpy()
    return np.asarray(best, dtype=np.int64)


def _table(samples: list[Sample], ranked: npt.NDArray[np.int64]) -> pl.DataFrame:
    labels = np.array([sample.label for sample in samples])
    hits = ranked == labels[:, None]
    return pl.DataFrame(
        {
            "test_row": np.arange(len(samples), dtype=np.int32),
            "image_path": [sample.image_path for sample in samples],
            "label": labels.astype(np.int32),
            "predicted": ranked[:, 0].astype(np.int32),
            "correct_top1": hits[:, 0],
            "correct_top5": hits.any(axis=1),
        }
    )


def summarise(predictions: pl.DataFrame) -> dict[str, Any]:
    """Return n, top1, top5 and the mean per-class accuracy (fractions) of predictions."""
    per_class = predictions.group_by("label").agg(pl.col("correct_top1").mean())
    return {
        "n": len(predictions),
        "classes": len(per_class),
        "top1": predictions["correct_top1"].mean(),
        "top5": predictions["correct_top5"].mean(),
        "mean_per_class": per_class.sort("label")["correct_top1"].mean(),
    }
