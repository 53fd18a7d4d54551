"""Labelled images in webdataset shards that exist already: listed in place, or packed anew.

A sample is an image and its label (cls), the position of its class; or an image and which classes
it shows (npy); or an image and its captions (txt), one in each line.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tarfile import TarError
from typing import BinaryIO, NamedTuple

import numpy as np
from tqdm import tqdm

from gapmatch.data.chunks import Shard
from gapmatch.data.imagefolder import label_members
from gapmatch.data.labels import TASKS, LabelledShards, Labels
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

EXTENSIONS: dict[Labels, str] = {"class": "cls", "classes": "npy", "captions": "txt"}
"""Of the file beside an image that tells what it shows."""
NAMES: dict[Labels, str] = {"class": "label", "classes": "classes", "captions": "captions"}


class LabelledSample(NamedTuple):
    """A sample of a shard.

    Attributes:
        shard: Position of the shard.
        located: Where the sample lies in it.
        labels: Positions of the classes that its image shows: one, or any number in a multilabel
            data set; none of an image with captions.
    """

    shard: int
    located: LocatedSample
    labels: tuple[int, ...]


def list_shards(found: LabelledShards) -> tuple[list[Shard], list[LabelledSample]]:
    """List the samples of shards, and check that what lies beside each image fits.

    Only headers and labels are read.

    Args:
        found: The shards, their classes, and what their images have.

    Returns:
        The shards, and the samples that can be used, in order.

    Raises:
        InputError: A shard cannot be read to its end or is empty, or a sample has no label, one
            without a name, or no captions; or no image shows any class.
    """
    shards: list[Shard] = []
    samples: list[LabelledSample] = []
    for position, tar in enumerate(tqdm(found.tars, unit="shard", mininterval=5)):
        number = 0
        with tar.open("rb") as file:
            for located in located_samples(tar):
                number += 1
                if located.reason is None:
                    labels = _labels(file, tar, located, found)
                    samples.append(LabelledSample(position, located, labels))
        if not number:
            raise InputError(f"{tar} holds no sample: fetch it again")
        shards.append(Shard(tar, number, tar.stat().st_size))
    if found.images_have == "classes" and not any(sample.labels for sample in samples):
        raise InputError(
            f"{found.tars[0].parent}: no image shows any class (npy): expected a 1 for each class "
            "that it shows"
        )
    return shards, samples


def _labels(
    file: BinaryIO, tar: Path, located: LocatedSample, found: LabelledShards
) -> tuple[int, ...]:
    """Read what lies beside an image, and nothing else of its sample; return its labels."""
    extension = EXTENSIONS[found.images_have]
    if extension not in located.places:
        others = [task for task, has in TASKS.items() if EXTENSIONS[has] in located.places]
        advice = f"; or set task: {others[0]}" if others else ""
        raise InputError(
            f"{tar}: {located.key} has no {NAMES[found.images_have]} ({extension}): expected a "
            f"file of that type beside each image{advice}"
        )
    places = {extension: located.places[extension]}
    members = read_located(file, LocatedSample(located.key, places, None)).members
    try:
        if found.images_have == "captions":
            _require_text(members[extension])
            return ()
        if found.images_have == "classes":
            return _shown(members, found)
        return (_named_label(members, found),)
    except ValueError as error:
        raise InputError(f"{tar}: {located.key}: {error}") from None


def _require_text(captions: bytes) -> None:
    try:
        text = captions.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("its captions (txt) are not UTF-8: convert them") from None
    if not text.strip():
        raise ValueError("its captions (txt) are empty: expected one in each line")


def _shown(members: Members, found: LabelledShards) -> tuple[int, ...]:
    shown = classes_shown(members)
    if len(shown) != len(found.classes):
        raise ValueError(
            f"it tells of {len(shown)} classes (npy), but {found.named_by} names "
            f"{len(found.classes)}: one of the two is of another data set"
        )
    return tuple(np.flatnonzero(shown).tolist())


def _named_label(members: Members, found: LabelledShards) -> int:
    label = label_of(members)
    if label >= len(found.classes):
        raise ValueError(
            f"its label is {label}, but {found.named_by} names {len(found.classes)} classes "
            f"(labels 0 to {len(found.classes) - 1}): it lacks lines, or one of the two is of "
            "another data set"
        )
    return label


def packed_samples(
    samples: Sequence[LabelledSample], tars: Sequence[Path], classes: Sequence[str], caption: str
) -> Iterator[tuple[str, Members]]:
    """Yield samples with their images unchanged, a caption, a label, metadata.

    Args:
        samples: The samples, of one class each.
        tars: Their shards.
        classes: Names of the classes by label.
        caption: Text in which {class} stands for the class name.

    Raises:
        InputError: A shard cannot be read, or a sample has no image.
    """
    for number, (sample, read) in enumerate(zip(samples, read_samples(samples, tars), strict=True)):
        tar, (label,) = tars[sample.shard], sample.labels
        try:
            extension, image = image_of(read.members)
        except ValueError as error:
            raise InputError(f"{tar}: {read.key}: {error}") from error
        beside = label_members(f"{tar.name}/{read.key}", classes[label], label, caption)
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
