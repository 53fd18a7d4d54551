"""Reference and test sets of emoji: one folder of images per class."""

from pathlib import Path

import polars as pl

from gapmatch.emoji.artwork import Emoji
from gapmatch.emoji.classes import ClassChoice
from gapmatch.emoji.composition import BACKGROUNDS, Variation
from gapmatch.emoji.rendering import Request, render, slug
from gapmatch.running.atomic import write_json

PLAIN = Variation()
# Per test part: the style of its artwork and the ranges of its compositions.
TEST_PARTS: dict[str, tuple[str, Variation]] = {
    "val": ("twemoji", PLAIN),
    "v2": (
        "twemoji",
        Variation(
            brightness=(90, 220), scale=(0.45, 1.1), rotation=30, translation=0.12, colour_shift=0.2
        ),
    ),
    "rendition": ("colour", PLAIN),
    "sketch": ("line", PLAIN),
    "hard": ("twemoji", Variation(scale=(0.9, 1.1), rotation=25, crop=(0.4, 0.6))),
    "clutter": (
        "twemoji",
        Variation(
            brightness=(60, 255),
            scale=(0.5, 0.75),
            rotation=60,
            occlusion=(0.06, 0.16),
            clutter=(1, 3),
            backgrounds=tuple(kind for kind in BACKGROUNDS if kind != "white"),
        ),
    ),
}


def reference_requests(
    choice: ClassChoice, seed: int, size: int, variants: int, drawing_variants: int
) -> list[Request]:
    """Plan the reference: Twemoji of the test classes, both drawings of the drawing classes."""
    twemoji = [
        requested("reference", e, "twemoji", PLAIN, variants, seed, size) for e in choice.test
    ]
    drawings = [
        requested("reference", emoji, style, PLAIN, drawing_variants, seed, size)
        for emoji in choice.drawing
        for style in ("colour", "line")
    ]
    return twemoji + drawings


def test_set_requests(
    part: str, choice: ClassChoice, seed: int, size: int, variants: int
) -> list[Request]:
    """Plan a test set: every test class in the part's style."""
    style, variation = TEST_PARTS[part]
    others = choice.test if variation.clutter[1] else ()
    return [
        requested(part, emoji, style, variation, variants, seed, size, others)
        for emoji in choice.test
    ]


def write_folders(requests: list[Request], root: Path, workers: int) -> None:
    """Render requests below ``root`` and describe them.

    Beside the class folders: ``classes.json`` (class name by folder) and ``images.parquet``
    (path relative to the root, class_name, style; sorted by path).
    """
    classes = {slug(request.emoji): request.emoji.name for request in requests}
    for folder in classes:
        (root / folder).mkdir(parents=True)
    render(requests, root, workers)
    write_json(root / "classes.json", classes)
    rows = [
        {"path": path, "class_name": request.emoji.name, "style": request.style}
        for request in requests
        for path in request.paths
    ]
    schema = {"path": pl.String, "class_name": pl.String, "style": pl.String}
    table = pl.DataFrame(rows, schema=schema).sort("path")
    table.write_parquet(root / "images.parquet", compression="zstd")


def requested(
    part: str,
    emoji: Emoji,
    style: str,
    variation: Variation,
    variants: int,
    seed: int,
    size: int,
    others: tuple[Emoji, ...] = (),
) -> Request:
    """Plan the images of one emoji in one style in a part of the study."""
    paths = tuple(f"{slug(emoji)}/{style}_{number:04d}.jpg" for number in range(variants))
    others = tuple(other for other in others if other != emoji)
    return Request(emoji, style, part, variation, others, paths, seed, size)
