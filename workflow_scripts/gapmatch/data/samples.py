"""What is known of a sample besides its pixels, and why one is of no use."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tokenize import TokenError
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gapmatch.data.shard_samples import ShardSample, caption_of, image_of, shard_samples
from gapmatch.data.shards import Members
from gapmatch.running.unicode_text import escaped

MAX_LABEL = 2**31 - 1
"""Labels are stored in 32 bits."""

Read = TypeVar("Read")


class Use(StrEnum):
    """What samples are for: a training needs their captions, a test their labels."""

    TRAINING = "training"
    TEST = "test"


@dataclass(frozen=True)
class Sample:
    """What is known of a sample besides its pixels; ``reason`` says why it has none.

    An image with several classes has the labels of those that it shows, and no label.
    """

    image_path: str
    shard: str
    caption: str
    label: int | None
    class_name: str | None
    style: str | None
    reason: str | None
    labels: tuple[int, ...] | None = None


def _problem(raw: ShardSample, use: Use) -> str | None:
    """Return why a sample is of no use, as far as its image need not be decoded to tell."""
    if raw.reason:
        return raw.reason
    try:
        image_of(raw.members)
        if use is Use.TRAINING:
            caption_of(raw.members)
        elif "cls" in raw.members:
            label_of(raw.members)
    except ValueError as error:
        return str(error)
    return None


def label_of(members: Members) -> int:
    """Return a sample's label.

    Raises:
        ValueError: It has none, or one that is no number of a class.
    """
    if "cls" not in members:
        raise ValueError("no label (cls): expected one beside each image")
    text = members["cls"].decode("utf-8", errors="replace").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_LABEL):
        raise ValueError(f"its label (cls) is {text[:40]!r}: expected the number of a class")
    return int(text)


def classes_shown(members: Members) -> npt.NDArray[np.bool_]:
    """Return which classes an image shows, (classes,), of a sample that tells of several.

    Raises:
        ValueError: It does not tell, or not by a 0 or 1 for each class.
    """
    told = _array(members.get("npy", b""))
    if told is None or told.ndim != 1 or not np.isin(told, (0, 1)).all():
        found = "no array of numbers" if told is None else f"{told.tolist()!r:.40}"
        raise ValueError(
            f"its classes (npy) are {found}: expected an array with a 0 or 1 for each class"
        )
    return told.astype(np.bool_)


def _array(content: bytes) -> npt.NDArray[np.generic] | None:
    """Return an array of plain numbers; None of what is none, an archive or a pickle among them."""
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        return None
    try:
        told = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError, MemoryError, SyntaxError, TokenError):
        return None
    return np.asarray(told) if told.dtype.kind in "biuf" else None


def _describe(raw: ShardSample, shard: str, use: Use) -> Sample:
    """Return what is known of a sample without decoding its image."""
    metadata = _read_metadata(raw.members)
    return Sample(
        image_path=raw.key,
        shard=shard,
        caption=raw.members.get("txt", b"").decode("utf-8", errors="replace"),
        label=_known_label(raw.members),
        class_name=metadata.get("class_name"),
        style=metadata.get("style"),
        reason=_problem(raw, use),
        labels=_known_classes(raw.members) if use is Use.TEST else None,
    )


def _known_label(members: Members) -> int | None:
    try:
        return label_of(members)
    except ValueError:
        return None


def _known_classes(members: Members) -> tuple[int, ...] | None:
    if "npy" not in members:
        return None
    try:
        return tuple(np.flatnonzero(classes_shown(members)).tolist())
    except ValueError:
        return None


def read_sample(
    raw: ShardSample, shard: str, read: Callable[[bytes], Read], use: Use
) -> tuple[Sample, Read | None]:
    """Decode the image of a sample.

    Args:
        raw: The sample.
        shard: File name of its shard.
        read: Makes what is wanted of the content of an image's file.
        use: What the sample is for.

    Returns:
        What is known of the sample, and what ``read`` made of its image: None where the sample has
        a ``reason``.
    """
    sample = _describe(raw, shard, use)
    if sample.reason is not None:
        return sample, None
    try:
        return sample, read(image_of(raw.members)[1])
    except ValueError as error:
        return replace(sample, reason=str(error)), None


def _read_metadata(members: Members) -> dict[str, str]:
    """Return the texts of a sample's json; what other tools write there may be anything."""
    try:
        found = json.loads(members.get("json", b"{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: escaped(value) for key, value in found.items() if isinstance(value, str)}


def describe_shard(shard: Path, use: Use) -> Iterator[Sample]:
    """Yield the samples of a shard in the order of its tar; images are not decoded."""
    for raw in shard_samples(shard):
        yield _describe(raw, shard.name, use)
