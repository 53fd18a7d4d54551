"""The emoji pool as a web crawl: files of a site, and lists of URLs with captions, with faults."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image
from tqdm import tqdm

from gapmatch.emoji.artwork import STYLES, Emoji, cached_artwork
from gapmatch.emoji.captions import caption
from gapmatch.emoji.classes import generator, image_generator
from gapmatch.emoji.composition import Variation, encode_jpeg
from gapmatch.emoji.rendering import Request, jpegs, processes
from gapmatch.running.atomic import write_json

HOST = "http://emoji.example"
OVERSIZED = 3000
REMOVED_PAGE = "removed.html"
HTML = "<!doctype html>\n<title>Gone</title>\n<p>This picture has moved on.</p>\n"
SCHEMA = {"url": pl.String, "caption": pl.String, "class_name": pl.String, "style": pl.String}
# "dead" and "redirect" URLs have no file; a "truncated" file lacks its end, a "page" is HTML
# under the name of a picture; a server cuts the connection in the middle of "interrupted" ones.
FAULTS = ("dead", "redirect", "truncated", "interrupted", "page")


@dataclass(frozen=True)
class CrawlSettings:
    """What the crawl looks like.

    Attributes:
        seed: the study's seed.
        size: side of an image in pixels.
        variants: images per class and style.
        chunks: number of lists of URLs.
        duplicates: exact copies behind another link, as a fraction of the images.
        near_duplicates: re-encoded, rescaled copies, as a fraction of the images.
        faults: broken URLs, as a fraction of the images. Above 0, each chunk also gets one
            picture of 3000 x 3000 px.
    """

    seed: int
    size: int
    variants: int
    chunks: int
    duplicates: float
    near_duplicates: float
    faults: float


class Listing(NamedTuple):
    """One link of the crawl: its path below the site, its caption, class and style."""

    path: str
    caption: str
    class_name: str
    style: str


@dataclass(frozen=True)
class _Job:
    emoji: Emoji
    style: str
    settings: CrawlSettings


def write_crawl(classes: Sequence[Emoji], settings: CrawlSettings, root: Path, workers: int) -> int:
    """Write a crawl below ``root`` and return its number of URLs.

    ``site/`` holds the files, ``faults.json`` what the server does wrong (kind by path) and
    ``urls_<chunk>.parquet`` the lists: url, caption, class_name, style.
    """
    (root / "site" / "pool").mkdir(parents=True)
    (root / "site" / REMOVED_PAGE).write_text(HTML, encoding="utf-8")
    jobs = [_Job(emoji, style, settings) for emoji in classes for style in STYLES]
    listings: list[Listing] = []
    faults: dict[str, str] = {}
    write = partial(_write_images, root / "site")
    with (
        processes(workers) as pool,
        tqdm(total=len(jobs) * settings.variants, unit="image", mininterval=5) as progress,
    ):
        for found, broken in pool.imap(write, jobs, chunksize=8):
            listings += found
            faults |= broken
            progress.update(settings.variants)
    order = generator(settings.seed, "crawl order").permutation(len(listings))
    shuffled = [listings[index] for index in order]
    for chunk in range(settings.chunks):
        dealt = shuffled[chunk :: settings.chunks]
        if settings.faults > 0:
            dealt.insert(len(dealt) // 2, _write_oversized(chunk, classes, settings, root / "site"))
        rows = [(f"{HOST}/{one.path}", *one[1:]) for one in dealt]
        table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        table.write_parquet(root / f"urls_{chunk:05d}.parquet", compression="zstd")
    write_json(root / "faults.json", faults)
    return len(listings) + (settings.chunks if settings.faults > 0 else 0)


def _write_images(site: Path, job: _Job) -> tuple[list[Listing], dict[str, str]]:
    """Write the images of one class in one style; return their listings and faults."""
    listings: list[Listing] = []
    faults: dict[str, str] = {}
    settings = job.settings
    names = tuple(str(variant) for variant in range(settings.variants))
    request = Request(
        job.emoji, job.style, "pool", Variation(), (), names, settings.seed, settings.size
    )
    for variant, (_, jpeg) in enumerate(jpegs(request)):
        rng = image_generator(settings.seed, "pool listing", job.emoji.code, job.style, variant)

        def publish(
            kind: str,
            content: bytes | None,
            variant: int = variant,
            rng: np.random.Generator = rng,
        ) -> str:
            path = _path(job, variant, kind)
            if content is not None:
                (site / path).write_bytes(content)
            words = caption(job.emoji.name, job.style, rng)
            listings.append(Listing(path, words, job.emoji.name, job.style))
            return path

        publish("original", jpeg)
        copied, recoded, broken = rng.random(3) < (
            settings.duplicates,
            settings.near_duplicates,
            settings.faults,
        )
        if copied:
            publish("copy", jpeg)
        if recoded:
            publish("recoded", _recode(jpeg, rng))
        if broken:
            fault = FAULTS[int(rng.integers(len(FAULTS)))]
            faults[publish(fault, _broken_content(fault, jpeg))] = fault
    return listings, faults


def _broken_content(fault: str, jpeg: bytes) -> bytes | None:
    if fault in ("dead", "redirect"):
        return None
    if fault == "page":
        return HTML.encode()
    # An interrupted transfer is the server's doing; its file is whole.
    return jpeg[: len(jpeg) * 6 // 10] if fault == "truncated" else jpeg


def _path(job: _Job, variant: int, kind: str) -> str:
    identity = f"{job.settings.seed}/{job.emoji.code:x}/{job.style}/{variant}/{kind}"
    return f"pool/{hashlib.sha256(identity.encode()).hexdigest()[:12]}.jpg"


def _recode(jpeg: bytes, rng: np.random.Generator) -> bytes:
    """Return the picture rescaled by -12 to +25 % and encoded at another quality."""
    with Image.open(io.BytesIO(jpeg)) as image:
        side = round(image.width * rng.uniform(0.88, 1.25))
        rescaled = image.resize((side, side), Image.Resampling.BICUBIC)
    return encode_jpeg(rescaled, int(rng.integers(60, 90)))


def _write_oversized(
    chunk: int, classes: Sequence[Emoji], settings: CrawlSettings, site: Path
) -> Listing:
    rng = generator(settings.seed, "oversized", chunk)
    emoji = classes[int(rng.integers(len(classes)))]
    artwork = cached_artwork(emoji.code, "twemoji", 2 * settings.size)
    image = Image.new("RGB", artwork.size, (255, 255, 255))
    image.paste(artwork, (0, 0), artwork)
    job = _Job(emoji, "twemoji", replace(settings, variants=1))
    path = _path(job, chunk, "oversized")
    large = image.resize((OVERSIZED, OVERSIZED), Image.Resampling.BILINEAR)
    (site / path).write_bytes(encode_jpeg(large, 75))
    return Listing(path, caption(emoji.name, "twemoji", rng), emoji.name, "twemoji")
