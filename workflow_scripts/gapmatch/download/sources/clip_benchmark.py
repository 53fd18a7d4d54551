"""A data set in the layout of CLIP_benchmark: webdataset shards, class names, templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from gapmatch.data.labels import TASKS, LabelledShards, Labels
from gapmatch.download.source import Source, SourceSettings
from gapmatch.running.errors import InputError
from gapmatch.running.unicode_text import is_text

if TYPE_CHECKING:
    from gapmatch.config.study import Study

CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
TYPE = "dataset_type.txt"
NUMBER = "nshards.txt"
DIGITS = 7
"""Of the largest number of shards that is believed."""
SHOWN = 5
SHARD = re.compile(r"[0-9]+\.tar")
CLASS = "{c}"
"""What stands for the class name in the templates."""


class ClipBenchmarkSource(SourceSettings):
    """A data set in the layout of CLIP_benchmark (wds_NAME): a test set is read in place."""

    kind: Literal["clip_benchmark"] = Field(
        "clip_benchmark", description="Read a data set in the layout of CLIP_benchmark."
    )
    root: Path = Field(
        description="Its folder, which holds the splits and, but for retrieval, classnames.txt."
    )
    split: str = Field("test", description="The folder of its shards: test, train or another.")
    task: Literal["classification", "multilabel", "retrieval"] = Field(
        "classification",
        description="What it is for, as its dataset_type.txt says if there is one: images with one "
        "class each (cls), with any number of classes (npy), or with captions (txt).",
    )

    @field_validator("split")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if Path(value).name != value:
            raise ValueError("expected the name of a folder in root")
        return value

    @property
    def images_have(self) -> Labels:
        """What lies beside each image."""
        return TASKS[self.task]

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the folder; ``faults`` looks at what it holds."""
        yield "root", self.root

    def problems(self, key: str, study: Study) -> Iterator[tuple[str, object, str]]:
        """Yield that the images of a reference have one class each."""
        if key == "reference" and self.images_have != "class":
            yield f"{key}.source.task", self.task, "classification"

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what the lists of the data set tell is wrong."""
        known = splits(self.root)
        if self.split not in known:
            expected = f"one of those in {self.root}: {', '.join(known) or 'there is none'}"
            if (self.root / self.split).is_dir():
                expected = (
                    f"{self.root / self.split / NUMBER}, a file with the number of its shards"
                )
            yield "split", f"got {self.split!r}, expected {expected}"
            return
        try:
            find_shards(self)
        except InputError as error:
            yield "root", str(error)


def splits(root: Path) -> list[str]:
    """Return the names of a data set's splits."""
    return sorted(path.parent.name for path in root.glob(f"*/{NUMBER}"))


def find_shards(source: ClipBenchmarkSource) -> LabelledShards:
    """Find the shards of a split, its classes and its templates.

    Raises:
        InputError: A file is missing, or is not what it should be.
    """
    _require_type(source.root / TYPE, source.task)
    named_by = source.root / CLASS_NAMES
    tars = _shards(source.root / source.split)
    if source.task == "retrieval":
        return LabelledShards(tars, (), named_by, images_have=source.images_have)
    names, templates = _class_names(named_by), _templates(source.root)
    return LabelledShards(tars, names, named_by, templates, source.images_have)


def _require_type(path: Path, task: str) -> None:
    """Raise InputError where a data set says that it is for another task; some say nothing."""
    told = " ".join(_lines(path)).lower() if path.exists() else ""
    if told and told != task:
        advice = f"set task: {told}" if told in TASKS else "no such data can be used"
        raise InputError(f"{path} says {told[:40]!r}, but the study's task is {task!r}: {advice}")


def _shards(folder: Path) -> tuple[Path, ...]:
    """Return the shards of a split: those of its number, and no others are numbered there."""
    number = _number(folder / NUMBER)
    there = {path.name for path in folder.glob("*.tar") if path.is_file()}
    numbered = {name for name in there if SHARD.fullmatch(name)}
    names = [f"{position}.tar" for position in range(number)]
    for what, wrong in (
        (
            "are missing: fetch them, or name them so",
            [name for name in names if name not in there],
        ),
        ("are not: correct the number, or move them", sorted(numbered.difference(names))),
    ):
        if wrong:
            some = ", ".join(wrong[:SHOWN]) + (" ..." if len(wrong) > SHOWN else "")
            raise InputError(f"{folder / NUMBER} says {number} shards, of which {some} {what}")
    return tuple(folder.absolute() / name for name in names)


def _number(path: Path) -> int:
    text = " ".join(_lines(path)).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS and int(text)):
        raise InputError(f"{path} says {text[:40]!r}: expected the number of shards")
    return int(text)


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.exists():
        raise InputError(
            f"{path} does not exist: expected a class name in each line (for images with captions "
            "set task: retrieval)"
        )
    names = _lines(path)
    if not names:
        raise InputError(f"{path} is empty: expected a class name in each line")
    if "" in names:
        raise InputError(f"{path}: line {names.index('') + 1} is empty: expected a class name")
    return tuple(names)


def _templates(root: Path) -> tuple[str, ...]:
    path = root / TEMPLATES
    lines = [line for line in _lines(path) if line] if path.exists() else []
    for line in lines:
        rest = line.replace(CLASS, "", 1)
        if rest == line or "{" in rest or "}" in rest:
            raise InputError(
                f"{path}: {line!r}: expected {CLASS} once, for the class name, and no other braces"
            )
    return tuple(line.replace(CLASS, "{}") for line in lines)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text, without spaces around them and empty ones at its end."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    lines = [line.strip() for line in text.rstrip().split("\n")]
    if not all(map(is_text, lines)):
        raise InputError(f"{path}: expected lines of text")
    return [] if lines == [""] else lines


SOURCE = Source(settings=ClipBenchmarkSource, shards=find_shards)
