"""Webdataset shards: reading them safely, and sealing them so that equal content is equal bytes."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError

Members: TypeAlias = dict[str, bytes]
"""A sample's files by extension: jpg, txt, json, cls."""

MAX_MEMBER_BYTES = 1 << 28
"""A larger member (256 MiB) is no image or caption; it is refused before it is read."""


def read_samples(tar: Path) -> Iterator[tuple[str, Members]]:
    """Read a shard to its end, sample by sample; nothing is written to disk.

    Yields:
        Key and members, in the order of the tar.

    Raises:
        InputError: The tar is damaged or cut short, or a member is not a plain file of
            bounded size with a plain name.
    """
    key: str | None = None
    members: Members = {}
    try:
        with tarfile.open(tar, "r|") as archive:
            for member in archive:
                _check_member(tar, member)
                name, _, extension = member.name.partition(".")
                if name != key:
                    if key is not None:
                        yield key, members
                    key, members = name, {}
                content = archive.extractfile(member)
                members[extension.lower()] = content.read() if content else b""
        check_end(tar, archive.offset)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{tar} is damaged or cut short ({error}): fetch it again") from error
    if key is not None:
        yield key, members


def check_end(tar: Path, offset: int) -> None:
    """Refuse a tar that does not end with empty blocks where its reader stopped.

    tarfile takes a damaged header, a hole of zeros, and a file cut between two members for a proper
    end. It does not look for what comes after it: a second archive, say.

    Raises:
        tarfile.ReadError: It does not.
    """
    with tar.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"no member and no end of the archive at byte {offset}")
        while block := file.read(1 << 20):
            if block.strip(tarfile.NUL):
                raise tarfile.ReadError(f"more than zeros after the end of the archive at {offset}")


def _check_member(tar: Path, member: tarfile.TarInfo) -> None:
    if not member.isfile() or "/" in member.name or "\\" in member.name or "." not in member.name:
        raise InputError(f"{tar} holds {member.name!r}: expected plain files named KEY.EXTENSION")
    if member.size > MAX_MEMBER_BYTES:
        raise InputError(
            f"{tar}: {member.name} has {member.size} bytes, at most {MAX_MEMBER_BYTES} are read"
        )


def write_shard(tar: Path, samples: Iterable[tuple[str, Members]]) -> int:
    """Write samples as a shard, atomically; headers hold no time or owner.

    Args:
        tar: The file to write.
        samples: Key and members, in the order that the shard shall have.

    Returns:
        The number of samples.
    """
    written = 0
    with (
        atomic_path(tar) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for key, members in samples:
            for extension, content in sorted(members.items()):
                header = tarfile.TarInfo(f"{key}.{extension}")
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
            written += 1
    return written


def seal(source: Path, target: Path) -> int:
    """Copy a shard with its samples in the order of their keys.

    img2dataset writes samples in the order in which they arrive; sealed, two downloads of the
    same files are the same bytes. One shard is held in memory.

    Returns:
        The number of samples.

    Raises:
        InputError: The shard cannot be read to its end.
    """
    return write_shard(target, sorted(read_samples(source)))


def split_name(name: str) -> tuple[str, str]:
    """Split a member's name as webdataset does, at the first dot of its last component."""
    folder, _, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return (f"{folder}/{stem}" if folder else stem), suffix.lower()
