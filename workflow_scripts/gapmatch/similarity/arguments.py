"""Arguments that programs which multiply embeddings share."""

import argparse

from gapmatch.similarity.engine import Engine
from gapmatch.similarity.engines import DEVICES, ENGINES, make_engine


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto takes a GPU where there is one"
    )


def add_threads_argument(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument("--threads", type=positive, required=True, help="threads to compute with")


def add_memory_argument(parser: argparse.ArgumentParser) -> None:
    """Add --max-memory-mb."""
    parser.add_argument(
        "--max-memory-mb",
        type=positive,
        default=4096,
        help="memory of the process, without pages of mapped files (default: %(default)s MiB)",
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --engine, --device, --threads, --max-memory-mb and --block-rows."""
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="search engine; auto takes the faster"
    )
    add_device_argument(parser)
    add_threads_argument(parser)
    add_memory_argument(parser)
    parser.add_argument(
        "--block-rows",
        type=int,
        default=0,
        help="rows of the dataset per product; 0 chooses by memory and cache",
    )


def chosen_engine(args: argparse.Namespace) -> Engine:
    """Return the engine that the arguments of ``add_engine_arguments`` ask for."""
    return make_engine(
        args.engine, args.device, args.threads, args.max_memory_mb, args.block_rows or None
    )


def positive(text: str) -> int:
    """Return an argument as an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value
