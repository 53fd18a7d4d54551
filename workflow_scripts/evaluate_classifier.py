"""Classify a test set with an image classifier, among the test set's own classes."""

import argparse
from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk
from gapmatch.evaluate import classification
from gapmatch.evaluate.predictions import summarise
from gapmatch.models.classifiers import load_classifier
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.command_line import run


def parse() -> argparse.Namespace:
    """Define and read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", required=True, help="its name in the study")
    parser.add_argument("--model", required=True, help="model name of timm")
    parser.add_argument(
        "--checkpoint", type=Path, help="file of weights; without it timm's published ones"
    )
    parser.add_argument(
        "--image-size", type=int, help="side of the model's input, pixels; without it timm's"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of its training, where that is known"
    )
    parser.add_argument("--test-set", type=Path, required=True, help="folder of its chunk")
    parser.add_argument(
        "--reference", type=Path, required=True, help="folder of one of its chunks, for its classes"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode images")
    parser.add_argument("--predictions", type=Path, required=True, help="output (.parquet)")
    parser.add_argument("--summary", type=Path, required=True, help="output (.json)")
    return parser.parse_args()


def main() -> None:
    """Evaluate one classifier on one test set; write predictions and accuracy."""
    arguments = parse()
    chunk = read_chunk(arguments.test_set)
    device = choose_device(arguments.device)
    network, preprocess = load_classifier(
        arguments.model, device, arguments.checkpoint, arguments.image_size
    )
    outputs = classification.class_outputs(
        network.num_classes, chunk, read_chunk(arguments.reference)
    )
    predictions = classification.classify(
        chunk, network, preprocess, outputs, device, arguments.workers
    )
    write_parquet(arguments.predictions, predictions)
    summary = {
        "kind": "classifier",
        "training_set": arguments.classifier,
        "seed": arguments.seed,
        "test_set": chunk.dataset,
        "rejected": chunk.samples - len(predictions),
        "model": arguments.model,
        "outputs": network.num_classes,
        "device": device.type,
        "versions": {name: version(name) for name in ("torch", "timm")},
    }
    write_json(arguments.summary, summary | summarise(predictions))


if __name__ == "__main__":
    run(main)
