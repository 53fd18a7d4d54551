"""A look at each kind of source: all of its names and sizes, and some of its samples."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from gapmatch.data.class_names import class_problems
from gapmatch.data.existing_shards import all_tars, tars_of_chunk, told_samples
from gapmatch.data.image_extensions import IMAGE_EXTENSIONS
from gapmatch.data.imagefolder import without_border
from gapmatch.data.labelled_shards import list_shards, packed_samples, read_samples
from gapmatch.data.labels import LabelledShards
from gapmatch.data.links import collected, link_files, read_links
from gapmatch.data.samples import Use
from gapmatch.data.shard_samples import ShardSample, located_samples, shard_samples
from gapmatch.download.source import Listing, SourceSettings, sources
from gapmatch.download.sources.shards import ShardsSource
from gapmatch.download.sources.urls import UrlsSource
from gapmatch.inspection.findings import Look, spread
from gapmatch.inspection.samples import (
    PICTURES,
    SampleCounts,
    count,
    reasons_of,
    tell,
    tell_captions,
)
from gapmatch.running.errors import InputError

SHARDS = 16
"""Shards or lists of links that are looked into, spread over all."""
PER_SHARD = 64
"""Samples of a shard that are decoded, spread over it."""
LINKS = 2_000
"""Links of a list that are looked at: the first."""
IMAGES = 512
"""Images of a folder that are decoded, spread over its classes."""
SHOWN = 3


def look_at_shards(source: ShardsSource, chunks: int) -> Look:
    """Look at a pool of shards that exist already.

    Whether every shard exists is asked; some are read.

    Args:
        source: Where they are.
        chunks: Number of chunks of the pool.
    """
    look = Look("pool")
    tars = all_tars(source.shards)
    look.facts["shards"] = f"{len(tars):,} in {chunks:,} chunks"
    if twice := len(tars) - len(set(tars)):
        look.error(f"{twice:,} shards are named twice: their samples would be in the pool twice")
    _look_for_all(look, tars, chunks)
    there = [tar for tar in spread(tars, SHARDS) if tar.is_file()]
    if not there:
        return look
    size = sum(tar.stat().st_size for tar in there) / len(there)
    look.facts["size of a shard"] = (
        f"{_size(size)} on average, about {_size(size * len(tars))} in all"
    )
    extensions: Counter[str] = Counter()
    numbers: list[int] = []
    lacking: Counter[str] = Counter()
    totals = SampleCounts()
    useless = []
    for tar in tqdm(there, unit="shard", mininterval=5, desc="pool"):
        with look.errors():
            files = [(one.key, tuple(one.places)) for one in located_samples(tar)]
            numbers.append(len(files))
            _compare_with_statistics(look, tar, len(files))
            for _, kinds in files:
                extensions.update(kinds)
                lacking.update(_lacks(kinds))
            counts = count(_some_samples(tar, files), Use.TRAINING, PICTURES - len(totals.pictures))
            totals.add(counts)
            if files and not counts.usable:
                useless.append(f"{tar.name} ({reasons_of(counts)})")
            elif not files:
                look.warning(
                    f"{tar} holds no sample: expected an image and a .txt of the same name side by "
                    "side, not in a hidden folder"
                )
    if numbers:
        look.facts["samples of a shard"] = _range(min(numbers), max(numbers))
        look.facts["files"] = ", ".join(f"{name} {n:,}" for name, n in extensions.most_common(8))
        look.images = round(np.mean(numbers) * len(tars))
    for what, number in lacking.items():
        # By headers alone; the samples that were decoded tell it with an example.
        if not any(reason.startswith(f"no {what}") for reason in totals.reasons):
            look.warning(f"{number:,} of {sum(numbers):,} samples have no {what} among their files")
    if useless and totals.usable:
        look.error(
            f"in {len(useless)} of {len(there)} shards none of the samples looked at can be used: "
            f"{'; '.join(useless[:SHOWN])}"
        )
    tell(look, totals)
    tell_captions(look, totals.captions)
    return look


def _lacks(kinds: Sequence[str]) -> Iterator[str]:
    """Yield what a sample of a pool lacks, by the extensions of its files."""
    if not set(kinds) & set(IMAGE_EXTENSIONS):
        yield "image"
    if "txt" not in kinds:
        yield "caption"


def _size(size: float) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _some_samples(
    tar: Path, files: Sequence[tuple[str, tuple[str, ...]]]
) -> Iterator[tuple[str, ShardSample]]:
    """Yield some samples of a shard, spread over it, with where they are."""
    keys = {key for key, _ in spread(files, PER_SHARD)}
    for sample in shard_samples(tar, keys):
        yield f"{tar.name}: {sample.key}", sample


def _look_for_all(look: Look, tars: Sequence[Path], chunks: int) -> None:
    """Add an error for each of the first chunks that lack shards."""
    errors = []
    for chunk in range(chunks):
        try:
            tars_of_chunk(tars, chunk, chunks)
        except InputError as error:
            errors.append(str(error))
    for text in errors[:SHOWN]:
        look.error(text)
    if len(errors) > SHOWN:
        look.error(f"{len(errors) - SHOWN:,} more chunks lack shards or have two of one name")


def _compare_with_statistics(look: Look, tar: Path, found: int) -> None:
    told = told_samples(tar)
    if told is not None and told != found:
        look.error(
            f"{tar} holds {found:,} samples, but its statistics ({tar.stem}_stats.json) say "
            f"{told:,}: fetch it again, or delete the statistics to have the samples counted"
        )


def _range(smallest: int, largest: int) -> str:
    return f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"


def look_at_links(source: UrlsSource, chunks: int) -> Look:
    """Look at a pool that is to be fetched: its lists of links, none of the images.

    Args:
        source: Where they are.
        chunks: Number of chunks of the pool.
    """
    look = Look("pool")
    with look.errors():
        files = link_files(source.path)
        looked_at = set(spread(files, SHARDS))
        looked, rows = [], 0
        # One by one: the error of one file is not to hide those of others.
        for file in tqdm(files, unit="file", mininterval=5, desc="pool"):
            with look.errors():
                links = read_links(file, source.url_column, source.caption_column)
                rows += collected(links.select(pl.len()), file).item()
                if file in looked_at:
                    looked.append(collected(links.head(LINKS), file))
        look.facts["links"] = f"{rows:,} in {len(files):,} files"
        if rows < chunks:
            look.error(f"only {rows:,} links for {chunks:,} chunks: lower pool.chunks")
        if looked:
            _look_at_rows(look, pl.concat(looked))
    return look


def _look_at_rows(look: Look, links: pl.DataFrame) -> None:
    look.facts["links looked at"] = f"{links.height:,}"
    web = links["url"].fill_null("").str.contains(r"(?i)^\s*https?://.")
    urls = links["url"].drop_nulls()
    problems = {
        "are not http or https links and will fail": links.height - int(web.sum()),
        "repeat an earlier one": len(urls) - urls.n_unique(),
        "have no caption, and are fetched with an empty one": int(links["caption"].null_count()),
    }
    for what, number in problems.items():
        if number:
            look.tell(f"{number:,} of {links.height:,} links {what}", error=number == links.height)
    look.captions = links["caption"].drop_nulls().to_list()
    tell_captions(look, look.captions)


def look_at_labelled(dataset: str, source: SourceSettings) -> Look:
    """Look at the images of a reference or a test set."""
    look, kind = Look(dataset), sources()[source.kind]
    with look.errors(), _warnings_of_readers(look):
        if kind.listing:
            found = kind.listing(source)
            look.imagenet_indices = found.imagenet_indices
            _look_at_images(look, found)
        elif kind.shards:
            _look_at_labelled_shards(look, kind.shards(source))
    return look


def _look_at_labelled_shards(look: Look, found: LabelledShards) -> None:
    """Look at labelled images in shards."""
    _, samples = list_shards(found)
    look.images, look.classes = len(samples), found.classes
    look.facts["images in all"] = f"{len(samples):,}"
    if found.images_have == "captions":
        look.facts["images in all"] += ", with captions"
    else:
        labels = [label for sample in samples for label in sample.labels]
        without = sum(not sample.labels for sample in samples)
        if without:
            look.facts["images without a class"] = f"{without:,}"
        _look_at_classes(look, found.classes, labels, found.images_have == "classes")
    look.facts["shards"] = f"{len(found.tars):,}"
    look.facts["prompt templates of its own"] = f"{len(found.templates):,}"
    chosen = spread(samples, IMAGES)
    if found.images_have == "class":
        packed = packed_samples(chosen, found.tars, found.classes, "{class}")
        read: Iterator[ShardSample] = (ShardSample(key, members, None) for key, members in packed)
    else:
        read = read_samples(chosen, found.tars)

    def shown() -> Iterator[tuple[str, ShardSample]]:
        for sample, one in zip(
            tqdm(chosen, unit="image", mininterval=5, desc=look.dataset), read, strict=True
        ):
            yield f"{found.tars[sample.shard].name}/{one.key}", one

    classes = found.classes if found.images_have == "classes" else ()
    tell(look, count(shown(), Use.TEST, PICTURES, classes))


@contextmanager
def _warnings_of_readers(look: Look) -> Iterator[None]:
    """Make findings of what the readers of folders warn of."""

    class ToFindings(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            look.warning(record.getMessage())

    handler = ToFindings(logging.WARNING)
    readers = logging.getLogger("gapmatch")
    readers.addHandler(handler)
    try:
        yield
    finally:
        readers.removeHandler(handler)


def _look_at_images(look: Look, listing: Listing) -> None:
    """Look at the images of classes; those with a border must be larger than it."""
    images = listing.images
    look.images, look.classes = len(images), listing.classes
    look.facts["images in all"] = f"{len(images):,}"
    _look_at_classes(look, listing.classes, [image.label for image in images])
    chosen = spread(images, IMAGES)
    shown = {image.path for image in spread(chosen, PICTURES)}
    # Those that are shown first, or they would all be of the first class.
    chosen.sort(key=lambda image: image.path not in shown)

    def samples() -> Iterator[tuple[str, ShardSample]]:
        for image in tqdm(chosen, unit="image", mininterval=5, desc=look.dataset):
            path = image.path.relative_to(listing.root).as_posix()
            if listing.border:
                with look.errors():
                    without_border(image.path, listing.border)
            members = {
                image.path.suffix.lower().removeprefix("."): image.path.read_bytes(),
                "txt": image.class_name.encode(),
            }
            yield path, ShardSample(image.path.stem, members, None)

    tell(look, count(samples(), Use.TEST, PICTURES))


def _look_at_classes(
    look: Look, names: Sequence[str], labels: Sequence[int], multilabel: bool = False
) -> None:
    """Tell the classes of labelled images, and what is odd about them."""
    per_class = Counter(dict.fromkeys(range(len(names)), 0))
    per_class.update(labels)
    smallest, largest = min(per_class.values()), max(per_class.values())
    look.facts["classes"] = f"{len(names):,}, of {_range(smallest, largest)} images"
    for problem in class_problems(names, labels, multilabel):
        look.warning(problem)
