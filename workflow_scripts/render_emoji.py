"""Render a part of the emoji study: the pool as a web crawl, the reference, or a test set."""

import json
import logging
from pathlib import Path

from gapmatch.emoji.artwork import Emoji
from gapmatch.emoji.classes import choose_classes
from gapmatch.emoji.crawl import CrawlSettings, write_crawl
from gapmatch.emoji.folders import reference_requests, test_set_requests, write_folders
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError

logger = logging.getLogger("render_emoji")

NEEDED = {
    "pool": ("chunks", "duplicates", "near_duplicates", "faults"),
    "reference": ("drawing_variants",),
}
"""Options that a part of the study needs."""


def render_emoji(
    *,
    part: str,
    emoji: Path,
    seed: int,
    size: int,
    pool_classes: int,
    test_classes: int,
    drawing_classes: int,
    variants: int,
    drawing_variants: int | None = None,
    chunks: int | None = None,
    duplicates: float | None = None,
    near_duplicates: float | None = None,
    faults: float | None = None,
    workers: int = 1,
    out: Path,
) -> None:
    """Render a part of the emoji study: the pool as a web crawl, the reference, or a test set.

    Args:
        part: pool, reference, or a test set.
        emoji: Output of list_emoji.py.
        seed: Seed of classes and images.
        size: Side of the images in pixels.
        pool_classes: Classes in the pool.
        test_classes: Pool classes that the tests hold.
        drawing_classes: Other pool classes that the reference holds as drawings.
        variants: Images per class (and style, in the pool).
        drawing_variants: Reference only: images per drawing class and drawn style.
        chunks: Pool only: number of URL lists.
        duplicates: Pool only: exact copies, as a fraction.
        near_duplicates: Pool only: re-encoded copies, as a fraction.
        faults: Pool only: broken URLs, as a fraction.
        workers: Processes.
        out: Folder to write.
    """
    values = locals()
    if missing := [name for name in NEEDED.get(part, ()) if values[name] is None]:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise InputError(f"--part {part} needs {options}")
    known = [Emoji(**one) for one in json.loads(emoji.read_text(encoding="utf-8"))]
    choice = choose_classes(known, seed, pool_classes, test_classes, drawing_classes)
    with atomic_directory(out) as folder:
        if part == "pool":
            settings = CrawlSettings(
                seed, size, variants, chunks, duplicates, near_duplicates, faults
            )
            urls = write_crawl(choice.pool, settings, folder, workers)
            logger.info("%s: %d URLs in %d chunks", out, urls, chunks)
            return
        if part == "reference":
            requests = reference_requests(choice, seed, size, variants, drawing_variants)
        else:
            requests = test_set_requests(part, choice, seed, size, variants)
        write_folders(requests, folder, workers)
        logger.info("%s: %d images", out, sum(len(request.paths) for request in requests))


if __name__ == "__main__":
    run(render_emoji)
