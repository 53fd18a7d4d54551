"""What a model says of each image of a test set, and what that amounts to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.data.chunks import Chunk
from gapmatch.data.fast_decoding import OwnTransform
from gapmatch.data.image_stream import image_batches
from gapmatch.data.samples import Sample, Use
from gapmatch.evaluate import metrics
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


def through_images(
    chunk: Chunk,
    preprocess: Preprocess,
    compute: Callable[[torch.Tensor], torch.Tensor],
    workers: int,
    lacks: Callable[[Sample], str | None],
) -> tuple[list[Sample], torch.Tensor]:
    """Compute something of each image of a test set.

    Args:
        chunk: The test set.
        preprocess: PIL image to (3, h, w) float32.
        compute: Pixels (n, 3, h, w) to (n, width).
        workers: Processes that decode images; the result does not depend on it.
        lacks: Returns what a sample lacks beside its image; None where it has what is needed.

    Returns:
        The samples that could be read, in order; (samples, width), what was computed of each.

    Raises:
        InputError: There is no image, or one lacks something.
    """
    samples: list[Sample] = []
    computed: list[torch.Tensor] = []
    with tqdm(total=chunk.samples, unit="image", mininterval=5, desc=chunk.dataset) as bar:
        shards = [shard.path for shard in chunk.shards]
        own = OwnTransform(preprocess)
        for batch, pixels in image_batches(shards, own, BATCH_SIZE, workers, Use.TEST):
            if len(pixels):
                computed.append(compute(pixels))
            samples += [sample for sample in batch if sample.reason is None]
            bar.update(len(batch))
    if not samples:
        raise InputError(f"{chunk.dataset}: no image could be read; a test set needs one at least")
    lacking = [missing for missing in map(lacks, samples) if missing]
    if lacking:
        raise InputError(
            f"{chunk.dataset}: {len(lacking)} of {len(samples)} images have no {lacking[0]}; each "
            "image of a test set needs one"
        )
    return samples, torch.cat(computed)


def require_finite(computed: torch.Tensor, chunk: Chunk) -> torch.Tensor:
    """Return what a model computed of a test set.

    Raises:
        InputError: Some of it is NaN or infinite, which would rank anywhere.
    """
    if not computed.isfinite().all():
        raise InputError(
            f"{chunk.dataset}: the model computes numbers that are not finite (NaN or infinite): "
            "its weights are damaged, or its training diverged; train it again"
        )
    return computed


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
        InputError: There is no image, one has no label, or a score is not finite.
    """
    samples, ranked = through_images(
        chunk,
        preprocess,
        lambda pixels: _best(require_finite(score(pixels), chunk)),
        workers,
        lambda sample: "label" if sample.label is None else None,
    )
    labels = np.array([sample.label for sample in samples])
    hits = ranked.numpy() == labels[:, None]
    return pl.DataFrame(
        {
            **_rows(samples),
            "label": labels.astype(np.int32),
            "predicted": ranked[:, 0].numpy().astype(np.int32),
            "correct_top1": hits[:, 0],
            "correct_top5": hits.any(axis=1),
        }
    )


def score_classes(
    chunk: Chunk,
    preprocess: Preprocess,
    score: Callable[[torch.Tensor], torch.Tensor],
    workers: int,
) -> pl.DataFrame:
    """Score the classes of a test set whose images show several, for each of its images.

    Args:
        chunk: The test set.
        preprocess: PIL image to (3, h, w) float32.
        score: Pixels (n, 3, h, w) to the scores (n, classes) of the test set's classes.
        workers: Processes that decode images; the result does not depend on it.

    Returns:
        One row per image that could be read, in order: test_row (int32), image_path, labels (list
        of int32: the classes that it shows), scores (list of float32: of each class).

    Raises:
        InputError: There is no image, one does not tell what it shows, none shows any class, or a
            score is not finite.
    """
    samples, scores = through_images(
        chunk,
        preprocess,
        lambda pixels: require_finite(score(pixels), chunk).cpu(),
        workers,
        lambda sample: "classes" if sample.labels is None else None,
    )
    if not any(sample.labels for sample in samples):
        raise InputError(f"{chunk.dataset}: no image that could be read shows any class")
    return pl.DataFrame(
        {
            **_rows(samples),
            "labels": [list(sample.labels or ()) for sample in samples],
            "scores": scores.tolist(),
        },
        schema_overrides={"labels": pl.List(pl.Int32), "scores": pl.List(pl.Float32)},
    )


def _best(scores: torch.Tensor) -> torch.Tensor:
    return scores.topk(min(GUESSES, scores.shape[1]), dim=1).indices.cpu()


def _rows(samples: list[Sample]) -> dict[str, object]:
    return {
        "test_row": np.arange(len(samples), dtype=np.int32),
        "image_path": [sample.image_path for sample in samples],
    }


def summarise(predictions: pl.DataFrame) -> dict[str, Any]:
    """Return n, the number of classes that images show, and the metrics (fractions) of a model."""
    many = metrics.is_multilabel(predictions)
    shown = predictions["labels"].explode() if many else predictions["label"]
    names = (metrics.PRECISION,) if many else (metrics.TOP1, metrics.TOP5, metrics.PER_CLASS)
    return {
        "n": len(predictions),
        "classes": shown.n_unique(),
        **{name: float(metrics.values(name, [predictions])[0]) for name in names},
    }
