"""Labelled images in webdataset shards that exist already: listed in place, or packed anew.

A sample is an image and its label (cls), the position of its class; or an image and which classes
it shows (npy); or an image and its captions (txt), one in each line.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tarfile import TarError
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gapmatch.data.chunks import Shard
from gapmatch.data.imagefolder import label_members
from gapmatch.data.labels import LabelledShards, Labels
from gapmatch.data.samples import classes_shown, label_of
from gapmatch.data.shard_samples import (
    LocatedSample,
    ShardSample,
    image_of,
    located_samples,
    read_located,
)
from gapmatch.data.shards import Members
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

EXTENSIONS: dict[Labels, str] = {"class": "cls", "classes": "npy", "captions": "txt"}
"""Of the file beside an image that tells what it shows."""
NAMES: dict[Labels, str] = {"class": "label", "classes": "classes", "captions": "captions"}
NO_LABEL = -1
SHOWN = 5


class LabelledSample(NamedTuple):
    """A sample of a shard.

    Attributes:
        shard: Position of the shard.
        located: Where the sample lies in it.
        label: Position of its class; -1 of an image with several, or with captions.
    """

    shard: int
    located: LocatedSample
    label: int


def list_shards(found: LabelledShards) -> tuple[list[Shard], list[LabelledSample]]:
    """List the samples of shards, and check that what lies beside each image fits.

    Only headers and labels are read.

    Args:
        found: The shards, their classes, and what their images have.

    Returns:
        The shards, and the samples that can be used, in order.

    Raises:
        InputError: A shard cannot be read to its end or is empty, or a sample has no label, one
            without a name, or no captions.
    """
    shards, samples = [], []
    for position, tar in enumerate(tqdm(found.tars, unit="shard", mininterval=5)):
        number = 0
        with tar.open("rb") as file:
            for located in located_samples(tar):
                number += 1
                if located.reason is None:
                    label = _label(file, tar, located, found)
                    samples.append(LabelledSample(position, located, label))
        if not number:
            raise InputError(f"{tar} holds no sample: fetch it again")
        shards.append(Shard(tar, number, tar.stat().st_size))
    return shards, samples


def _label(file: BinaryIO, tar: Path, located: LocatedSample, found: LabelledShards) -> int:
    """Read what lies beside an image, and nothing else of its sample; return its one label."""
    extension = EXTENSIONS[found.images_have]
    if extension not in located.places:
        raise InputError(
            f"{tar}: {located.key} has no {NAMES[found.images_have]} ({extension}): each image "
            "needs a file with them beside it"
        )
    places = {extension: located.places[extension]}
    members = read_located(file, LocatedSample(located.key, places, None)).members
    try:
        if found.images_have == "captions":
            _require_text(members[extension])
            return NO_LABEL
        if found.images_have == "classes":
            _require_as_many(classes_shown(members), found)
            return NO_LABEL
        label = label_of(members)
        _require_name(label, found)
    except ValueError as error:
        raise InputError(f"{tar}: {located.key}: {error}") from None
    return label


def _require_text(captions: bytes) -> None:
    if not captions.strip():
        raise ValueError("its captions (txt) are empty: expected one in each line")


def _require_as_many(shown: npt.NDArray[np.bool_], found: LabelledShards) -> None:
    if len(shown) != len(found.classes):
        raise ValueError(
            f"it tells of {len(shown)} classes (npy), but {found.named_by} names "
            f"{len(found.classes)}: one of the two is of another data set"
        )


def _require_name(label: int, found: LabelledShards) -> None:
    if label >= len(found.classes):
        raise ValueError(
            f"its label is {label}, but {found.named_by} names {len(found.classes)} classes "
            f"(labels 0 to {len(found.classes) - 1}): one of the two is of another data set"
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
    for number, (sample, read) in enumerate(zip(samples, read_samples(samples, tars), strict=True)):
        tar, name = tars[sample.shard], classes[sample.label]
        try:
            extension, image = image_of(read.members)
        except ValueError as error:
            raise InputError(f"{tar}: {read.key}: {error}") from error
        beside = label_members(f"{tar.name}/{read.key}", name, sample.label, caption)
        yield f"{number:09d}", {extension: image, **beside}


def read_samples(samples: Sequence[LabelledSample], tars: Sequence[Path]) -> Iterator[ShardSample]:
    """Read samples of shards, as they are.

    Raises:
        InputError: A shard cannot be read.
    """
    with ExitStack() as stack:
        used = {sample.shard for sample in samples}
        files = {shard: stack.enter_context(tars[shard].open("rb")) for shard in used}
        for sample in samples:
            try:
                yield read_located(files[sample.shard], sample.located)
            except (OSError, TarError) as error:
                tar = tars[sample.shard]
                raise InputError(f"{tar}: {sample.located.key}: {error}") from error
