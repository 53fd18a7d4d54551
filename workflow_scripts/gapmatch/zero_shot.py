"""Zero-shot classification with prompt templates, image by image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.chunks import Chunk
from gapmatch.clip_models import Preprocess
from gapmatch.errors import InputError
from gapmatch.image_stream import Sample, shard_batches
from gapmatch.weights import autocast

BATCH_SIZE = 256
"""Fixed, because accuracy drifts by about 0.001 with the batch size."""
TEMPLATE_SETS: dict[str, Sequence[Callable[[str], str]]] = {
    "openai": open_clip.OPENAI_IMAGENET_TEMPLATES,
    "simple": open_clip.SIMPLE_IMAGENET_TEMPLATES,
}


def choose_templates(templates: Sequence[str]) -> Sequence[str | Callable[[str], str]]:
    """Return open_clip's templates for the name of a set, else the templates themselves.

    Raises:
        InputError: A template has no place for the class name.
    """
    if len(templates) == 1 and templates[0] in TEMPLATE_SETS:
        return TEMPLATE_SETS[templates[0]]
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(
                f"evaluation.templates: {template!r} must hold {{}} once, for the class name"
            )
    return templates


@torch.no_grad()
def classify(
    chunk: Chunk,
    network: torch.nn.Module,
    preprocess: Preprocess,
    tokenizer: Callable[[list[str]], torch.Tensor],
    templates: Sequence[str | Callable[[str], str]],
    device: torch.device,
    workers: int,
) -> pl.DataFrame:
    """Classify the images of a test set among its own classes.

    The classifier's weights are open_clip's: per class the mean of the normalised embeddings of
    all prompts, normalised. Only the classes that the test set has take part.

    Returns:
        One row per image that could be read, in order: test_row (int32), image_path, label
        (int32), predicted (int32), correct_top1, correct_top5 (bool).

    Raises:
        InputError: The chunk has no classes, or an image no label.
    """
    if not chunk.classes:
        raise InputError(f"{chunk.dataset} has no classes: a test set needs labels")
    weights = open_clip.build_zero_shot_classifier(
        network, tokenizer, list(chunk.classes), templates, device=device
    )
    samples: list[Sample] = []
    ranked: list[npt.NDArray[np.int64]] = []
    with tqdm(total=chunk.samples, unit="img", mininterval=5, desc=chunk.dataset) as bar:
        for shard in chunk.shards:
            for batch, pixels in shard_batches(shard.path, preprocess, BATCH_SIZE, workers):
                if len(pixels):
                    ranked.append(_rank(network, weights, pixels.to(device), device))
                samples += [sample for sample in batch if sample.reason is None]
                bar.update(len(batch))
    unlabelled = [sample.image_path for sample in samples if sample.label is None]
    if unlabelled or not samples:
        raise InputError(
            f"{chunk.dataset}: {len(unlabelled)} of {len(samples)} images have no label; "
            "a test set needs one image at least, and a label for each"
        )
    return _predictions(samples, np.concatenate(ranked))


def _rank(
    network: torch.nn.Module, weights: torch.Tensor, pixels: torch.Tensor, device: torch.device
) -> npt.NDArray[np.int64]:
    with autocast(device):
        features = network.encode_image(pixels, normalize=True)  # type: ignore[operator]
    scores = features.float() @ weights.float()
    best = scores.topk(min(5, scores.shape[1]), dim=1).indices.cpu().numpy()
    return np.asarray(best, dtype=np.int64)


def _predictions(samples: list[Sample], ranked: npt.NDArray[np.int64]) -> pl.DataFrame:
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
