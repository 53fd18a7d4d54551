"""Evaluating a classifier: from weights and a chunk to predictions."""

from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.evaluate.classification import class_outputs, classify
from gapmatch.evaluate.predictions import summarise
from gapmatch.models.classifiers import load_classifier
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.option_types import Device


def evaluate_classifier(
    *,
    classifier: str,
    model: str,
    checkpoint: Path | None = None,
    image_size: int | None = None,
    seed: int = 0,
    data: Path,
    reference: Path,
    multilabel: bool = False,
    device: Device = "auto",
    workers: int = 1,
    predictions: Path,
    summary: Path,
) -> None:
    """Classify a test set with an image classifier, among the test set's own classes.

    Args:
        classifier: Its name in the study.
        model: Model name of timm.
        checkpoint: File of weights; without it timm's published ones.
        image_size: Side of the model's input, pixels; without it timm's.
        seed: Seed of its training, where that is known.
        data: Folder of the test set's chunk.
        reference: Folder of one of the reference's chunks, for its classes.
        multilabel: Whether its images show several classes each.
        device: auto takes a GPU where there is one.
        workers: Processes that decode images.
        predictions: Output (.parquet).
        summary: Output (.json).
    """
    chunk, place = read_chunk(data), choose_device(device)
    require_unchanged(chunk)
    network, preprocess = load_classifier(model, place, checkpoint, image_size)
    answers = int(network.num_classes)  # type: ignore[arg-type]
    outputs = class_outputs(answers, chunk, read_chunk(reference))
    found = classify(chunk, network, preprocess, outputs, place, workers, multilabel)
    write_parquet(predictions, found)
    result = {
        "kind": "classifier",
        "training_set": classifier,
        "seed": seed,
        "test_set": chunk.dataset,
        "rejected": chunk.samples - len(found),
        "model": model,
        "outputs": answers,
        "device": place.type,
        "versions": {name: version(name) for name in ("torch", "timm")},
    }
    write_json(summary, result | summarise(found))
