"""A look at each kind of source: all of its names and sizes, and some of its samples."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from tqdm import tqdm

from gapmatch.config.datasets import ImageFolderSource, ImageNetSource, ShardsSource, UrlsSource
from gapmatch.errors import InputError
from gapmatch.existing_shards import all_tars, tars_of_chunk, told_samples
from gapmatch.image_stream import Use
from gapmatch.imagefolder import LabelledImage, list_images
from gapmatch.imagenet import list_imagenet
from gapmatch.inspection.findings import Look, spread
from gapmatch.inspection.samples import PICTURES, count, tell, tell_captions
from gapmatch.links import link_files, read_links
from gapmatch.shard_samples import ShardSample, sample_files, shard_samples

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
    _look_for_all(look, tars, chunks)
    there = [tar for tar in spread(tars, SHARDS) if tar.is_file()]
    if not there:
        return look
    size = sum(tar.stat().st_size for tar in there) / len(there) / 1e6
    look.facts["size of a shard"] = (
        f"{size:,.1f} MB on average, about {size * len(tars) / 1e3:,.1f} GB in all"
    )
    extensions: Counter[str] = Counter()
    numbers: list[int] = []

    def samples() -> Iterator[tuple[str, ShardSample]]:
        for tar in tqdm(there, unit="shard", mininterval=5, desc="pool"):
            with look.errors():
                files = list(sample_files(tar))
                for _, kinds in files:
                    extensions.update(kinds)
                numbers.append(len(files))
                _compare_with_statistics(look, tar, len(files))
                keys = {key for key, _ in spread(files, PER_SHARD)}
                for sample in shard_samples(tar, keys):
                    yield f"{tar.name}: {sample.key}", sample

    counts = count(samples(), Use.TRAINING, PICTURES)
    if numbers:
        look.facts["samples of a shard"] = _range(min(numbers), max(numbers))
        look.facts["files"] = ", ".join(f"{name} {n:,}" for name, n in extensions.most_common(8))
        if not all(numbers):
            look.error(
                f"{numbers.count(0)} of {len(there)} shards hold no sample: expected an image and "
                "a .txt of one name side by side"
            )
    tell(look, counts)
    tell_captions(look, counts.captions)
    return look


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
        look.error(f"shards of {len(errors) - SHOWN:,} more chunks are missing or named alike")


def _compare_with_statistics(look: Look, tar: Path, found: int) -> None:
    told = told_samples(tar)
    if told is not None and told != found:
        look.error(
            f"{tar} holds {found:,} samples, its statistics ({tar.stem}_stats.json) tell "
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
        # One by one: the error of one file is not to hide those of others.
        lists: list[pl.LazyFrame] = []
        rows = 0
        for file in tqdm(files, unit="file", mininterval=5, desc="pool"):
            with look.errors():
                links = read_links(file, source.url_column, source.caption_column)
                rows += links.select(pl.len()).collect().item()
                lists.append(links)
        look.facts["links"] = f"{rows:,} in {len(files):,} files"
        if rows < chunks:
            look.error(f"{rows:,} links are fewer than the {chunks:,} chunks of pool.chunks")
        looked = [links.head(LINKS).collect() for links in spread(lists, SHARDS)]
        if looked:
            _look_at_rows(look, pl.concat(looked))
    return look


def _look_at_rows(look: Look, links: pl.DataFrame) -> None:
    look.facts["links looked at"] = f"{links.height:,}"
    web = links["url"].fill_null("").str.contains(r"^https?://.")
    repeated = links.height - links["url"].n_unique()
    problems = {
        "are no http or https links, and will fail": links.height - int(web.sum()),
        "repeat an earlier one": repeated,
        "have no caption, and are fetched with an empty one": int(links["caption"].null_count()),
    }
    for what, number in problems.items():
        if number == links.height and number:
            look.error(f"all of {number:,} links {what}")
        elif number:
            look.warning(f"{number:,} of {links.height:,} links {what}")
    tell_captions(look, [text for text in links["caption"].to_list() if text is not None])


def look_at_folder(dataset: str, source: ImageFolderSource) -> Look:
    """Look at a folder of images per class."""
    look = Look(dataset)
    with look.errors(), _warnings_of_readers(look):
        images, names = list_images(source.root, source.class_names)
        _look_at_images(look, images, names, source.root)
    return look


def look_at_imagenet(dataset: str, source: ImageNetSource) -> Look:
    """Look at ImageNet or one of its shifts."""
    look = Look(dataset)
    with look.errors(), _warnings_of_readers(look):
        images, classes = list_imagenet(
            source.variant, source.root, source.ground_truth, source.images
        )
        look.imagenet_indices = tuple(one.indices for one in classes)
        _look_at_images(look, images, [one.name for one in classes], source.root)
    return look


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


def _look_at_images(
    look: Look, images: Sequence[LabelledImage], names: Sequence[str], root: Path
) -> None:
    look.classes = tuple(names)
    per_class = Counter(image.label for image in images)
    smallest, largest = min(per_class.values()), max(per_class.values())
    look.facts["images in all"] = f"{len(images):,}"
    look.facts["classes"] = f"{len(per_class):,}, of {_range(smallest, largest)} images"
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        look.warning(
            f"names of several classes ({', '.join(repeated[:SHOWN])}): zero-shot classification "
            "cannot tell these classes apart"
        )
    chosen = spread(images, IMAGES)
    shown = {image.path for image in spread(chosen, PICTURES)}
    # Those that are shown first, or they would all be of the first class.
    chosen.sort(key=lambda image: image.path not in shown)

    def samples() -> Iterator[tuple[str, ShardSample]]:
        for image in tqdm(chosen, unit="image", mininterval=5, desc=look.dataset):
            path = image.path.relative_to(root).as_posix()
            members = {
                image.path.suffix.lower().removeprefix("."): image.path.read_bytes(),
                "txt": image.class_name.encode(),
            }
            yield path, ShardSample(image.path.stem, members, None)

    tell(look, count(samples(), Use.TEST, PICTURES))
