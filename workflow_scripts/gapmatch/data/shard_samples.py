"""What a sample of a shard is, told once: for counting, embedding, training and evaluation.

Shards that other tools wrote hold more than samples, and samples that lack something. A sample is
the files of one key that lie side by side. What no stage can use has its reason beside it; nothing
is left out without one.
"""

import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gapmatch.data.image_extensions import IMAGE_EXTENSIONS
from gapmatch.data.shards import MAX_MEMBER_BYTES, Members, check_end, split_name
from gapmatch.running.errors import InputError
from gapmatch.running.unicode_text import escaped, is_text

PLAIN = re.compile(
    rb"[^\0].{99}"  # name
    rb"(?:[0-7]{6}[0-7 ][\0 ]){3}"  # mode, owner, group
    rb"[0-7]{11}[\0 ]"  # size
    rb"[0-7]{11}[\0 ]"  # time
    rb"[0-7]{6}[\0 ]{2}"  # checksum
    rb"0.{172}"  # a regular file; link, magic, names of owner and group
    rb"(?:\0{8}|[0-7]{6}[0-7 ][\0 ]){2}"  # device
    rb"\0.{166}",  # no prefix of the name
    re.DOTALL,
)
"""The usual header of a file in a tar; what it matches, tarfile reads in the same way."""
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
"""Compressed files by their first two bytes."""


@dataclass(frozen=True)
class ShardSample:
    """A sample of a shard.

    Attributes:
        key: Its files' common name: up to the first dot, with the folder.
        members: Content of its files by extension.
        reason: Why no stage can use it; None for what may be one.
    """

    key: str
    members: Members
    reason: str | None


@dataclass
class LocatedSample:
    """Where the files of a sample lie in its shard.

    Attributes:
        key: Their common name.
        places: Offset and size of each, bytes, by extension.
        reason: Why no stage can use the sample; None if it may be usable.
    """

    key: str
    places: dict[str, tuple[int, int]]
    reason: str | None


def is_sample_file(name: str) -> bool:
    """Tell whether a member's name is that of a sample's file.

    What is none: files without an extension, hidden ones and what macOS adds to an archive
    (``._a.jpg``, ``__MACOSX``), and what webdataset takes for metadata (``__name__``).
    """
    parts = name.removeprefix("./").split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    first = parts[0]
    metadata = first.startswith("__") and first.endswith("__")
    return not hidden and not metadata and "." in parts[-1]


@contextmanager
def _opened(tar: Path) -> Iterator[tarfile.TarFile]:
    """Open a shard; whatever is wrong with it is told with its name."""
    try:
        with tar.open("rb") as file:
            compression = COMPRESSED.get(file.read(2))
        if compression:
            raise InputError(
                f"{tar} is compressed ({compression}): expected a plain tar, whose samples can be "
                "read where they lie; decompress it"
            )
        # "r:" is an uncompressed tar: what is not wanted is skipped by seeking, not by reading.
        with tarfile.open(tar, "r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{tar} is damaged or cut short ({error}): fetch it again") from error
    except OSError as error:
        raise InputError(f"{tar} cannot be read ({error})") from error


def _located(
    tar: Path, archive: tarfile.TarFile, passing: Callable[[], None] | None = None
) -> Iterator[LocatedSample]:
    """Yield the samples of a shard by their headers, in order."""
    seen: set[str] = set()
    sample: LocatedSample | None = None
    current = ""
    for member in _members(tar, archive):
        if passing:
            passing()
        if not member.isreg() or not is_sample_file(member.name):
            continue
        key, extension = split_name(member.name.removeprefix("./"))
        if sample is None or current != key or extension in sample.places:
            if sample is not None:
                yield sample
            sample = LocatedSample(escaped(key), {}, _reason(key, seen))
            current = key
            seen.add(key)
        sample.places[extension] = member.offset_data, member.size
        sample.reason = sample.reason or _unreadable(extension, member)
    if sample is not None:
        yield sample


def _members(tar: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive; tarfile reads the headers that are not plain."""
    end = 0
    with tar.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        member = archive.next()
        while member:
            archive.members = []  # type: ignore[attr-defined]  # would keep all that it saw
            if archive.offset <= end:
                raise tarfile.ReadError(f"a member that ends before it begins, at byte {end}")
            end = archive.offset
            if end > size:
                raise tarfile.ReadError(f"it ends in the member at byte {member.offset}")
            yield member
            member = _plain_member(file.fileno(), archive) or archive.next()
    check_end(tar, end)


def _plain_member(file: int, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the archive's next member where its header is a PLAIN one, or None.

    tarfile takes several times as long, because it parses what nobody asks for.
    """
    if archive.pax_headers:  # they may hold for all members
        return None
    header = os.pread(file, tarfile.BLOCKSIZE, archive.offset)
    if not PLAIN.fullmatch(header):
        return None
    if int(header[148:154], 8) != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        return None
    size = int(header[124:135], 8)
    name = header[:100].partition(tarfile.NUL)[0].decode(archive.encoding, archive.errors)
    member = tarfile.TarInfo(name)
    member.size, member.offset = size, archive.offset
    member.offset_data = archive.offset + tarfile.BLOCKSIZE
    archive.offset = member.offset_data - -size // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
    return member


def _unreadable(extension: str, member: tarfile.TarInfo) -> str | None:
    """Return why a sample's file is not read, if it is not."""
    if member.size > MAX_MEMBER_BYTES:
        return f"{extension} of {member.size} bytes, at most {MAX_MEMBER_BYTES} are read"
    if member.issparse():
        return f"{extension} is a sparse file (tar --sparse); pack the shard without --sparse"
    return None


def _reason(key: str, seen: Collection[str]) -> str | None:
    """Return why no stage can use a sample, as far as its key tells."""
    if key in seen:
        return "its key occurs earlier in the shard; expected a sample's files side by side"
    return None if is_text(key) else "its name is not UTF-8; rename the files of the sample"


def located_samples(
    tar: Path, passing: Callable[[], None] | None = None
) -> Iterator[LocatedSample]:
    """Yield where the samples of a shard lie, in order, with those that cannot be used.

    Only headers are read.

    Args:
        tar: The shard.
        passing: Is called at each file of the shard.

    Raises:
        InputError: The shard cannot be read to its end.
    """
    with _opened(tar) as archive:
        yield from _located(tar, archive, passing)


def count_samples(tar: Path) -> int:
    """Return the number of samples of a shard, with those that cannot be used.

    Raises:
        InputError: It cannot be read to its end.
    """
    return sum(1 for _ in located_samples(tar))


def read_located(file: BinaryIO, sample: LocatedSample) -> ShardSample:
    """Read the files of a sample.

    Args:
        file: Its shard.
        sample: Where they lie in it; those of a sample with a ``reason`` are not read.

    Raises:
        tarfile.ReadError: The shard ends before they do.
    """
    members = {}
    for extension, (offset, size) in sample.places.items() if not sample.reason else ():
        file.seek(offset)
        members[extension] = file.read(size)
        if len(members[extension]) != size:
            raise tarfile.ReadError(f"it ends in {extension} of {sample.key}")
    return ShardSample(sample.key, members, sample.reason)


def shard_samples(
    tar: Path,
    keys: Collection[str] | None = None,
    passing: Callable[[], None] | None = None,
) -> Iterator[ShardSample]:
    """Read the samples of a shard, in order.

    Args:
        tar: The shard.
        keys: Samples to read; the files of others are not read. None reads all.
        passing: Is called at each file of the shard, read or not.

    Raises:
        InputError: The shard cannot be read to its end.
    """
    with _opened(tar) as archive, tar.open("rb") as file:
        for sample in _located(tar, archive, passing):
            if keys is None or sample.key in keys:
                yield read_located(file, sample)


def image_of(members: Members) -> tuple[str, bytes]:
    """Return extension and content of a sample's image.

    Raises:
        ValueError: It has none.
    """
    for extension in IMAGE_EXTENSIONS:
        if extension in members:
            return extension, members[extension]
    found = escaped(", ".join(sorted(members))) or "no file"
    raise ValueError(
        f"no image: expected one of {', '.join(IMAGE_EXTENSIONS)}, found {found} "
        "(the first dot of a name ends the key)"
    )


def caption_of(members: Members) -> str:
    """Return a sample's caption.

    Raises:
        ValueError: It has none, or one that is no UTF-8.
    """
    if "txt" not in members:
        raise ValueError("no caption: expected a file txt beside the image")
    try:
        return members["txt"].decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("its caption is not UTF-8") from None
