"""Training a classifier: from chunks to a file of weights."""

from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk
from gapmatch.models.weights import choose_device, save_weights
from gapmatch.running.atomic import write_json
from gapmatch.running.option_types import Device
from gapmatch.running.resumption import claim_state, delete_state
from gapmatch.train.classifier_training import ClassifierOptions, fingerprint, read_images, train


def train_classifier(
    *,
    classifier: str,
    reference: list[Path],
    options: ClassifierOptions,
    device: Device = "auto",
    workers: int = 1,
    state: Path,
    weights: Path,
    summary: Path,
) -> None:
    """Train a small image classifier on the reference.

    Args:
        classifier: Its name in the study.
        reference: Folders of the reference's chunks.
        options: How to train.
        device: auto takes a GPU where there is one.
        workers: Processes that decode images.
        state: Folder of checkpoints; survives a kill.
        weights: Output: model.pt.
        summary: Output: training.json.
    """
    place = choose_device(device)
    chunks = [read_chunk(folder) for folder in reference]
    images = read_images(chunks, options.image_size, workers)
    # The lock lasts as long as this process, which does all the work.
    claim_state(state, fingerprint(options, chunks, place))
    trained, loss = train(images, options, place, state)
    result = {
        "training_set": classifier,
        "seed": options.seed,
        "samples": len(images.labels),
        "skipped": images.skipped,
        "classes": len(images.classes),
        "epochs": options.epochs,
        "loss": loss,
        "model": options.model,
        "device": place.type,
        "versions": {name: version(name) for name in ("torch", "timm")},
    }
    write_json(summary, result)
    save_weights(weights, trained)
    delete_state(state)
