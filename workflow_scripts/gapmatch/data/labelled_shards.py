"""Labelled images in webdataset shards that exist already: listed in place, or packed anew.

A sample is an image and its label (cls), the position of its class.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tarfile import TarError
from typing import BinaryIO, NamedTuple

from tqdm import tqdm

from gapmatch.data.chunks import Shard
from gapmatch.data.imagefolder import label_members
from gapmatch.data.samples import label_of
from gapmatch.data.shard_samples import LocatedSample, image_of, located_samples, read_located
from gapmatch.data.shards import Members
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

SHOWN = 5


class LabelledSample(NamedTuple):
    """A sample of a shard.

    Attributes:
        shard: Position of the shard.
        located: Where the sample lies in it.
        label: Position of its class; -1 of an image with captions.
    """

    shard: int
    located: LocatedSample
    label: int


def list_shards(
    tars: Sequence[Path], classes: Sequence[str], named_by: Path
) -> tuple[list[Shard], list[LabelledSample]]:
    """List the samples of shards, and check that all have a label that has a name, or captions.

    Only headers and labels are read.

    Args:
        tars: The shards.
        classes: Names of the classes by label; none of images with captions.
        named_by: The file that names them, for messages.

    Returns:
        The shards, and the samples that can be used, in order.

    Raises:
        InputError: A shard cannot be read to its end or is empty, or a sample has no label or one
            without a name.
    """
    shards, samples = [], []
    for position, tar in enumerate(tqdm(tars, unit="shard", mininterval=5)):
        number = 0
        with tar.open("rb") as file:
            for located in located_samples(tar):
                number += 1
                if located.reason is None:
                    label = _label(file, tar, located) if classes else _captioned(tar, located)
                    samples.append(LabelledSample(position, located, label))
        if not number:
            raise InputError(f"{tar} holds no sample: fetch it again")
        shards.append(Shard(tar, number, tar.stat().st_size))
    _require_names(samples, tars, classes, named_by)
    return shards, samples


def _label(file: BinaryIO, tar: Path, located: LocatedSample) -> int:
    """Read the label of a sample, and nothing else of it."""
    places = {"cls": located.places["cls"]} if "cls" in located.places else {}
    members = read_located(file, LocatedSample(located.key, places, None)).members
    try:
        label = label_of(members)
    except ValueError as error:
        raise InputError(f"{tar}: {located.key}: {error}") from None
    if label is None:
        raise InputError(f"{tar}: {located.key} has no label (cls): expected one beside each image")
    return label


def _captioned(tar: Path, located: LocatedSample) -> int:
    """Require captions beside an image; return that it has no label."""
    if "txt" not in located.places:
        raise InputError(
            f"{tar}: {located.key} has no captions (txt): expected one in each line, beside each "
            "image"
        )
    return -1


def _require_names(
    samples: Sequence[LabelledSample], tars: Sequence[Path], classes: Sequence[str], named_by: Path
) -> None:
    beyond = next((one for one in samples if one.label >= max(1, len(classes))), None)
    if beyond:
        raise InputError(
            f"{tars[beyond.shard]}: {beyond.located.key} has the label {beyond.label}, but "
            f"{named_by} names {len(classes)} classes (labels 0 to {len(classes) - 1}): one of the "
            "two is of another data set"
        )


def warn_of_empty_classes(samples: Sequence[LabelledSample], classes: Sequence[str]) -> None:
    """Log which classes have no image."""
    numbers = Counter(sample.label for sample in samples)
    empty = [name for label, name in enumerate(classes) if not numbers[label]]
    if empty:
        more = " ..." if len(empty) > SHOWN else ""
        logger.warning("%d classes have no image: %s", len(empty), ", ".join(empty[:SHOWN]) + more)


def packed_samples(
    samples: Sequence[LabelledSample], tars: Sequence[Path], classes: Sequence[str], caption: str
) -> Iterator[tuple[str, Members]]:
    """Yield samples with their images unchanged, a caption, a label, metadata.

    Args:
        samples: The samples.
        tars: Their shards.
        classes: Names of the classes by label.
        caption: Text in which {class} stands for the class name.

    Raises:
        InputError: A shard cannot be read, or a sample has no image.
    """
    with ExitStack() as stack:
        files = {shard: stack.enter_context(tars[shard].open("rb")) for shard in _used(samples)}
        for number, sample in enumerate(samples):
            tar, name = tars[sample.shard], classes[sample.label]
            try:
                members = read_located(files[sample.shard], sample.located).members
                extension, image = image_of(members)
            except (ValueError, OSError, TarError) as error:
                raise InputError(f"{tar}: {sample.located.key}: {error}") from error
            beside = label_members(f"{tar.name}/{sample.located.key}", name, sample.label, caption)
            yield f"{number:09d}", {extension: image, **beside}


def _used(samples: Sequence[LabelledSample]) -> set[int]:
    return {sample.shard for sample in samples}
