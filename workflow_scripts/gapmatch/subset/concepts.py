"""Concepts that captions name: words of a list, as MetaCLIP matches them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.running.errors import InputError

BETWEEN = r"(?:[^\p{L}\p{M}\p{N}]|\p{Me}|[\x{FE00}-\x{FE0F}])+"
"""What separates words; among it the marks that only tell how an emoji looks."""


class Matches(NamedTuple):
    """Which concepts samples have, in the order of the samples and, of one, of the concepts.

    Attributes:
        sample: (matches,): position of the sample.
        concept: (matches,): number of the concept; a sample has each once at most.
    """

    sample: npt.NDArray[np.int64]
    concept: npt.NDArray[np.int64]


def words(texts: pl.Series) -> pl.Series:
    """Return texts in lower case, their words apart by single spaces, one before and after."""
    return " " + texts.str.to_lowercase().str.replace_all(BETWEEN, " ").str.strip_chars(" ") + " "


def read_concepts(path: Path, key: str) -> list[str]:
    """Read a list of concepts, one in each line.

    Args:
        path: Of the file.
        key: Of the config, for messages.

    Returns:
        Each once, as ``words`` has it, sorted.

    Raises:
        InputError: The file cannot be read, or holds no words.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{key}: {path} cannot be read ({error}): expected a text file in UTF-8, a concept in "
            "each line"
        ) from None
    found = sorted(set(words(pl.Series(lines, dtype=pl.String))) - {"  "})
    if not found:
        raise InputError(f"{key}: {path} holds no words: expected a concept in each line")
    return found


def concepts_named(captions: pl.Series, concepts: Sequence[str]) -> Matches:
    """Find the concepts that captions name as whole words, whatever their case.

    Args:
        captions: Of the samples; null names nothing.
        concepts: See ``read_concepts``.
    """
    return _matches(words(captions).str.extract_many(list(concepts), overlapping=True), concepts)


def concepts_of(names: pl.Series, concepts: Sequence[str]) -> Matches:
    """Return the one concept of each sample: its name; null has none.

    Args:
        names: Of the samples.
        concepts: All names that occur.
    """
    return _matches(names, concepts)


def _matches(named: pl.Series, concepts: Sequence[str]) -> Matches:
    """Return the matches of samples, of the names or lists of names that each has."""
    found = pl.DataFrame({"sample": np.arange(len(named)), "concept": named})
    if isinstance(named.dtype, pl.List):
        found = found.explode("concept")
    found = (
        found.drop_nulls()
        .with_columns(pl.col("concept").cast(pl.Enum(concepts)).to_physical())
        .unique()
        .sort("sample", "concept")
    )
    return Matches(*(found[name].to_numpy().astype(np.int64) for name in Matches._fields))
