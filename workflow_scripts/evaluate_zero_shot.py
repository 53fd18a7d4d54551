"""Classify a test set zero-shot with a CLIP model, among the test set's own classes."""

import argparse
from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk
from gapmatch.evaluate import zero_shot
from gapmatch.evaluate.predictions import summarise
from gapmatch.models.clip_models import load_clip
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.command_line import run


def main() -> None:
    """Evaluate one model on one test set; write predictions and accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training-set", required=True, help="name of the training set")
    parser.add_argument("--seed", type=int, required=True, help="seed of the model's training")
    parser.add_argument("--model", required=True, help="open_clip model, or local-dir:FOLDER")
    parser.add_argument("--checkpoint", type=Path, required=True, help="file of weights")
    parser.add_argument("--test-set", type=Path, required=True, help="folder of its chunk")
    parser.add_argument(
        "--templates", nargs="+", required=True, help="openai, simple, or templates with {}"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode images")
    parser.add_argument("--predictions", type=Path, required=True, help="output (.parquet)")
    parser.add_argument("--summary", type=Path, required=True, help="output (.json)")
    arguments = parser.parse_args()

    templates = zero_shot.choose_templates(arguments.templates)
    chunk = read_chunk(arguments.test_set)
    device = choose_device(arguments.device)
    network, preprocess, tokenizer = load_clip(
        arguments.model, device, checkpoint=arguments.checkpoint
    )
    predictions = zero_shot.classify(
        chunk, network, preprocess, tokenizer, templates, device, arguments.workers
    )
    write_parquet(arguments.predictions, predictions)
    summary = {
        "training_set": arguments.training_set,
        "seed": arguments.seed,
        "test_set": chunk.dataset,
        "rejected": chunk.samples - len(predictions),
        "templates": len(templates),
        "device": device.type,
        "versions": {name: version(name) for name in ("torch", "open_clip_torch")},
    }
    write_json(arguments.summary, summary | summarise(predictions))


if __name__ == "__main__":
    run(main)
