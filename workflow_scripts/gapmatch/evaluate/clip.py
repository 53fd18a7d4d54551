"""Evaluating a CLIP model: from weights and a chunk to predictions."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gapmatch.data.chunks import Chunk, read_chunk, require_unchanged
from gapmatch.evaluate import retrieval, zero_shot
from gapmatch.evaluate.predictions import summarise
from gapmatch.models.clip_models import load_clip
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.option_types import Device


def evaluate_zero_shot(
    *,
    training_set: str,
    seed: int,
    model: str,
    checkpoint: Path,
    data: Path,
    templates: list[str],
    own_templates: bool = False,
    multilabel: bool = False,
    device: Device = "auto",
    workers: int = 1,
    predictions: Path,
    summary: Path,
) -> None:
    """Classify a test set zero-shot with a CLIP model, among the test set's own classes.

    Args:
        training_set: Name of the training set.
        seed: Seed of the model's training.
        model: open_clip model, or local-dir:FOLDER.
        checkpoint: File of weights.
        data: Folder of the test set's chunk.
        templates: openai, simple, or templates with {}.
        own_templates: Take those that the test set ships instead, where it ships some.
        multilabel: Whether its images show several classes each.
        device: auto takes a GPU where there is one.
        workers: Processes that decode images.
        predictions: Output (.parquet).
        summary: Output (.json).
    """
    chunk, place = read_chunk(data), choose_device(device)
    require_unchanged(chunk)
    shipped = chunk.templates if own_templates else ()
    chosen = shipped or zero_shot.choose_templates(templates)
    network, preprocess, tokenizer = load_clip(model, place, checkpoint=checkpoint)
    found = zero_shot.classify(
        chunk, network, preprocess, tokenizer, chosen, place, workers, multilabel
    )
    write_parquet(predictions, found)
    result = _provenance(training_set, seed, chunk, len(found), place)
    write_json(summary, result | {"templates": len(chosen)} | summarise(found))


def evaluate_retrieval(
    *,
    training_set: str,
    seed: int,
    model: str,
    checkpoint: Path,
    data: Path,
    device: Device = "auto",
    workers: int = 1,
    ranks: Path,
    summary: Path,
) -> None:
    """Retrieve captions by images and images by captions with a CLIP model, within a test set.

    Args:
        training_set: Name of the training set.
        seed: Seed of the model's training.
        model: open_clip model, or local-dir:FOLDER.
        checkpoint: File of weights.
        data: Folder of the test set's chunk.
        device: auto takes a GPU where there is one.
        workers: Processes that decode images.
        ranks: Output (.parquet).
        summary: Output (.json).
    """
    chunk, place = read_chunk(data), choose_device(device)
    require_unchanged(chunk)
    network, preprocess, tokenizer = load_clip(model, place, checkpoint=checkpoint)
    found = retrieval.retrieve(chunk, network, preprocess, tokenizer, place, workers)
    write_parquet(ranks, found)
    result = _provenance(training_set, seed, chunk, len(found), place)
    write_json(summary, result | retrieval.summarise(found))


def _provenance(
    training_set: str, seed: int, chunk: Chunk, readable: int, place: torch.device
) -> dict[str, Any]:
    """Return what was evaluated on what, and how."""
    return {
        "training_set": training_set,
        "seed": seed,
        "test_set": chunk.dataset,
        "rejected": chunk.samples - readable,
        "device": place.type,
        "versions": {name: version(name) for name in ("torch", "open_clip_torch")},
    }
