"""Arguments that all search programs share."""

import argparse

from gapmatch.similarity.engine import DEVICES, ENGINES


def add_block_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --block-rows and --threads."""
    parser.add_argument(
        "--block-rows",
        type=positive,
        default=2048,
        help="rows of the dataset per product (default: %(default)s)",
    )
    parser.add_argument("--threads", type=positive, required=True, help="threads to compute with")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto takes a GPU where there is one"
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --engine, --device, --block-rows and --threads."""
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="search engine; auto takes fused"
    )
    add_device_argument(parser)
    add_block_arguments(parser)


def positive(text: str) -> int:
    """Return an argument as an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value
