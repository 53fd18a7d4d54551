"""Rendering a part of the emoji study into files."""

import json
import logging
from pathlib import Path
from typing import TypeVar

from gapmatch.emoji.artwork import Emoji
from gapmatch.emoji.classes import choose_classes
from gapmatch.emoji.crawl import CrawlSettings, write_crawl
from gapmatch.emoji.folders import reference_requests, test_set_requests, write_folders
from gapmatch.emoji.shared_layout import (
    CAPTIONED,
    OTHER,
    captioned_requests,
    other_requests,
    write_captioned,
    write_labelled,
)
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.errors import InputError

logger = logging.getLogger("render_emoji")

Number = TypeVar("Number", int, float)


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
        chunks: Pool only: number of lists of links.
        duplicates: Pool only: exact copies, as a fraction.
        near_duplicates: Pool only: re-encoded copies, as a fraction.
        faults: Pool only: broken URLs, as a fraction.
        workers: Processes.
        out: Folder to write.
    """
    lists, copies, drawn = 0, [0.0, 0.0, 0.0], 0
    if part == "pool":
        [lists] = _given(part, chunks=chunks)
        copies = _given(part, duplicates=duplicates, near_duplicates=near_duplicates, faults=faults)
    elif part == "reference":
        [drawn] = _given(part, drawing_variants=drawing_variants)
    known = [Emoji(**one) for one in json.loads(emoji.read_text(encoding="utf-8"))]
    choice = choose_classes(known, seed, pool_classes, test_classes, drawing_classes)
    with atomic_directory(out) as folder:
        if part == "pool":
            settings = CrawlSettings(seed, size, variants, lists, *copies)
            urls = write_crawl(choice.pool, settings, folder, workers)
            logger.info("%s: %d URLs in %d chunks", out, urls, lists)
            return
        if part == "reference":
            requests = reference_requests(choice, seed, size, variants, drawn)
            write_folders(requests, folder, workers)
        elif part == OTHER:
            requests = other_requests(choice, seed, size, variants)
            write_labelled(requests, folder)
        elif part == CAPTIONED:
            requests = captioned_requests(choice, seed, size)
            write_captioned(requests, folder)
        else:
            requests = test_set_requests(part, choice, seed, size, variants)
            write_folders(requests, folder, workers)
        logger.info("%s: %d images", out, sum(len(request.paths) for request in requests))


def _given(part: str, **options: Number | None) -> list[Number]:
    """Return options that a part of the study needs; raise InputError where one is not given."""
    if missing := [name for name, value in options.items() if value is None]:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise InputError(f"--part {part} needs {words}")
    return [value for value in options.values() if value is not None]
