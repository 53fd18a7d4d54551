"""Writing files so that a file that exists is whole."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gapmatch.disk_space import telling_no_space


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that is renamed to ``path`` on success.

    The temporary name keeps the suffix (writers that choose a format by suffix work) and
    starts with a dot and the process id. When the body raises, it is removed and ``path``
    is left as it was. A process killed in the body leaves the dot file behind; nothing reads it.

    Raises:
        NoSpaceError: The body failed because no space is left for the file.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with telling_no_space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
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
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with telling_no_space(path):
            temporary.mkdir(parents=True)
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


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys to ``path``, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
