"""Writing files so that a file that exists is whole."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapmatch.running.disk_space import telling_no_space

# Every Snakemake process imports this module, and polars would take it half a second.
if TYPE_CHECKING:
    import polars as pl


def _temporary(path: Path) -> Path:
    """Return the name that ``path`` has while it is written."""
    return path.with_name(f".{os.getpid()}.{path.name}")


def _make_way(path: Path) -> None:
    """Make the folder of ``path``, and remove what killed writers of ``path`` left in it.

    A writer that still lives loses its file and fails: it is one whose Snakemake was killed and
    started again, and the newer writer is the one that counts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    leftover = re.compile(rf"\.\d+\.{re.escape(path.name)}")
    for old in path.parent.iterdir():
        if leftover.fullmatch(old.name):
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that is renamed to ``path`` on success.

    The temporary name keeps the suffix (writers that choose a format by suffix work) and
    starts with a dot and the process id. When the body raises, it is removed and ``path``
    is left as it was. A process killed in the body leaves the dot file behind; nothing reads it,
    and the next writer of ``path`` removes it.

    Raises:
        NoSpaceError: The body failed because no space is left for the file.
    """
    temporary = _temporary(path)
    try:
        with telling_no_space(path):
            _make_way(path)
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside ``path`` that takes its place on success.

    What ``path`` held before is replaced as a whole. When the body raises, the new folder is
    removed and ``path`` is left as it was.

    Raises:
        NoSpaceError: The body failed because no space is left for the folder.
    """
    temporary = _temporary(path)
    try:
        with telling_no_space(path):
            _make_way(path)
            temporary.mkdir()
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write a table as parquet, atomically; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        table.write_parquet(temporary, compression="zstd")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys to ``path``, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
