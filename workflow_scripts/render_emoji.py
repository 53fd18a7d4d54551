"""Render a part of the emoji study: the pool as a web crawl, the reference, or a test set."""

import argparse
import json
import logging
from pathlib import Path

from gapmatch.emoji.artwork import Emoji
from gapmatch.emoji.classes import choose_classes
from gapmatch.emoji.crawl import CrawlSettings, write_crawl
from gapmatch.emoji.folders import (
    TEST_PARTS,
    reference_requests,
    test_set_requests,
    write_folders,
)
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.command_line import run

logger = logging.getLogger("render_emoji")

PART_OPTIONS = {
    "pool": ("chunks", "duplicates", "near_duplicates", "faults"),
    "reference": ("drawing_variants",),
}


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", required=True, choices=["pool", "reference", *TEST_PARTS])
    parser.add_argument("--emoji", required=True, type=Path, help="list_emoji.py's output")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--seed", type=int, required=True, help="seed of classes and images")
    parser.add_argument("--size", type=int, required=True, help="side of the images in pixels")
    parser.add_argument("--pool-classes", type=int, required=True, help="classes in the pool")
    parser.add_argument(
        "--test-classes", type=int, required=True, help="pool classes that the tests hold"
    )
    parser.add_argument(
        "--drawing-classes",
        type=int,
        required=True,
        help="other pool classes that the reference holds as drawings",
    )
    parser.add_argument(
        "--variants", type=int, required=True, help="images per class (and style, in the pool)"
    )
    parser.add_argument(
        "--drawing-variants",
        type=int,
        help="reference only: images per drawing class and drawn style",
    )
    parser.add_argument("--chunks", type=int, help="pool only: number of URL lists")
    parser.add_argument("--duplicates", type=float, help="pool only: exact copies, as a fraction")
    parser.add_argument(
        "--near-duplicates", type=float, help="pool only: re-encoded copies, fraction"
    )
    parser.add_argument("--faults", type=float, help="pool only: broken URLs, as a fraction")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    needed = PART_OPTIONS.get(arguments.part, ())
    missing = [name for name in needed if getattr(arguments, name) is None]
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        parser.error(f"--part {arguments.part} needs {options}")
    return arguments


def main() -> None:
    """Render the part."""
    arguments = parse_arguments()
    emoji = [Emoji(**one) for one in json.loads(arguments.emoji.read_text(encoding="utf-8"))]
    choice = choose_classes(
        emoji,
        arguments.seed,
        arguments.pool_classes,
        arguments.test_classes,
        arguments.drawing_classes,
    )
    common = (arguments.seed, arguments.size, arguments.variants)
    with atomic_directory(arguments.out) as folder:
        if arguments.part == "pool":
            settings = CrawlSettings(
                *common,
                arguments.chunks,
                arguments.duplicates,
                arguments.near_duplicates,
                arguments.faults,
            )
            urls = write_crawl(choice.pool, settings, folder, arguments.workers)
            logger.info("%s: %d URLs in %d chunks", arguments.out, urls, arguments.chunks)
        else:
            if arguments.part == "reference":
                requests = reference_requests(choice, *common, arguments.drawing_variants)
            else:
                requests = test_set_requests(arguments.part, choice, *common)
            write_folders(requests, folder, arguments.workers)
            logger.info("%s: %d images", arguments.out, sum(len(r.paths) for r in requests))


if __name__ == "__main__":
    run(main)
