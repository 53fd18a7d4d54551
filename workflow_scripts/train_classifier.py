"""Train a small image classifier on the reference."""

import argparse
import shutil
from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk
from gapmatch.models.weights import choose_device, save_weights
from gapmatch.running.atomic import write_json
from gapmatch.running.command_line import run
from gapmatch.running.resumption import claim_state
from gapmatch.train import classifier_training


def parse() -> argparse.Namespace:
    """Define and read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", required=True, help="its name in the study")
    parser.add_argument(
        "--reference", type=Path, nargs="+", required=True, help="folders of its chunks"
    )
    parser.add_argument("--model", required=True, help="model name of timm")
    parser.add_argument("--image-size", type=int, required=True, help="side of its input, pixels")
    parser.add_argument("--epochs", type=int, required=True, help="passes over the data")
    parser.add_argument("--batch-size", type=int, required=True, help="images per step")
    parser.add_argument("--lr", type=float, required=True, help="peak learning rate")
    parser.add_argument("--weight-decay", type=float, required=True, help="of AdamW")
    parser.add_argument("--seed", type=int, required=True, help="of weights, order and crops")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode images")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder of checkpoints; survives a kill"
    )
    parser.add_argument("--weights", type=Path, required=True, help="output: model.pt")
    parser.add_argument("--summary", type=Path, required=True, help="output: training.json")
    return parser.parse_args()


def main() -> None:
    """Train and write the weights."""
    arguments = parse()
    settings = classifier_training.Settings(
        model=arguments.model,
        image_size=arguments.image_size,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        lr=arguments.lr,
        weight_decay=arguments.weight_decay,
        seed=arguments.seed,
    )
    device = choose_device(arguments.device)
    chunks = [read_chunk(folder) for folder in arguments.reference]
    images = classifier_training.read_images(chunks, settings.image_size, arguments.workers)

    # The lock lasts as long as this process, which does all the work.
    claim_state(arguments.state, classifier_training.fingerprint(settings, chunks, device))
    weights, loss = classifier_training.train(images, settings, device, arguments.state)
    write_json(
        arguments.summary,
        {
            "training_set": arguments.classifier,
            "seed": settings.seed,
            "samples": len(images.labels),
            "skipped": images.skipped,
            "classes": len(images.classes),
            "epochs": settings.epochs,
            "loss": loss,
            "model": settings.model,
            "device": device.type,
            "versions": {name: version(name) for name in ("torch", "timm")},
        },
    )
    save_weights(arguments.weights, weights)
    shutil.rmtree(arguments.state)


if __name__ == "__main__":
    run(main)
