"""Rendering many images with several processes; the result does not depend on their number."""

import multiprocessing
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

from tqdm import tqdm

from gapmatch.emoji.artwork import STYLES, Emoji, cached_artwork
from gapmatch.emoji.classes import image_generator
from gapmatch.emoji.composition import Variation, compose, encode_jpeg

SUPERSAMPLING = 2


@dataclass(frozen=True)
class Request:
    """The images to make of one emoji in one style.

    Attributes:
        emoji: whose artwork.
        style: one of ``STYLES``.
        purpose: names the stream of random numbers, so that no two parts share an image.
        variation: the ranges of the composition.
        others: emoji that clutter is taken from, in the same style.
        paths: one file per variant, relative to the root.
        seed: the study's seed.
        size: side in pixels.
    """

    emoji: Emoji
    style: str
    purpose: str
    variation: Variation
    others: tuple[Emoji, ...]
    paths: tuple[str, ...]
    seed: int
    size: int

    def __post_init__(self) -> None:
        """Refuse a style that does not exist."""
        if self.style not in STYLES:
            raise ValueError(f"unknown style: {self.style}")


def slug(emoji: Emoji) -> str:
    """Return a folder name for a class: its name in plain letters and its code point."""
    words = re.sub(r"[^a-z0-9]+", "_", emoji.name.lower()).strip("_")
    return f"{words}_{emoji.code:x}"


def jpegs(request: Request) -> Iterator[tuple[str, bytes]]:
    """Yield (path, JPEG bytes) of every image of a request."""
    side = SUPERSAMPLING * request.size
    artwork = cached_artwork(request.emoji.code, request.style, side)
    for variant, path in enumerate(request.paths):
        rng = image_generator(
            request.seed, request.purpose, request.emoji.code, request.style, variant
        )
        others = [
            cached_artwork(request.others[index].code, request.style, side)
            for index in (rng.integers(len(request.others), size=3) if request.others else ())
        ]
        image = compose(artwork, others, rng, request.variation, request.size)
        low, high = request.variation.quality
        yield path, encode_jpeg(image, int(rng.integers(low, high + 1)))


def render(requests: Sequence[Request], root: Path, workers: int) -> None:
    """Write the images of all requests below ``root`` (whose folders exist)."""
    write = partial(_write_request, root)
    total = sum(len(request.paths) for request in requests)
    with _mapper(workers) as mapper, tqdm(total=total, unit="image", mininterval=5) as progress:
        for written in mapper(write, requests):
            progress.update(written)


def _write_request(root: Path, request: Request) -> int:
    for path, jpeg in jpegs(request):
        (root / path).write_bytes(jpeg)
    return len(request.paths)


@contextmanager
def _mapper(workers: int) -> Iterator[partial]:  # type: ignore[type-arg]
    if workers <= 1:
        yield partial(map)
        return
    with processes(workers) as pool:
        yield partial(pool.imap_unordered, chunksize=8)


@contextmanager
def processes(workers: int) -> Iterator[Pool]:
    """Yield a pool of processes; at the end wait for what they were given.

    After an error too: ``Pool.terminate`` never ends if it kills a process that just sends its
    result. On a full disk the rest fails fast.
    """
    # forkserver: the parent may hold threads of polars.
    pool = multiprocessing.get_context("forkserver").Pool(workers)
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        pool.terminate()
        raise
    finally:
        pool.close()
        pool.join()
