"""At most a number of samples per concept, as MetaCLIP balances a pool by its captions."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from gapmatch.data.embedding_files import read_metadata
from gapmatch.running.errors import InputError
from gapmatch.subset.concepts import Matches, concepts_named, concepts_of, read_concepts
from gapmatch.subset.groups import Draw, group_sizes
from gapmatch.subset.method import Method, SubsetSettings
from gapmatch.subset.selection import Choice, Choices, Part, PoolSamples, Selection

logger = logging.getLogger(__name__)


class BalancedSubset(SubsetSettings):
    """At most ``cap`` samples per concept, as MetaCLIP balances a pool by its captions."""

    method: Literal["balanced"] = Field(description="Keep some samples of each concept.")
    cap: int = Field(
        ge=1,
        description="Most samples drawn for each concept (MetaCLIP: 20,000). A sample drawn for "
        "any of its concepts is kept.",
    )
    words: Path | None = Field(
        None,
        description="File with a concept in each line: a sample has those that its caption "
        "contains as whole words. null: its only concept is its class, where the pool has classes.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice.")

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the list of concepts."""
        if self.words:
            yield "words", self.words


def told(part: Part, column: str) -> pl.Series:
    """Return a column of the metadata of a part's samples."""
    return read_metadata(part.files, [column], part.embedded)[column][part.rows]


def class_names(pool: PoolSamples, subset: str) -> list[str]:
    """Return the classes of a pool's samples, sorted.

    Args:
        pool: The samples.
        subset: Name of the subset, for messages.

    Raises:
        InputError: No sample has a class.
    """
    found: set[str] = set()
    for part in pool.parts():
        found.update(told(part, "class_name").drop_nulls().to_list())
    if not found:
        raise InputError(
            f"subsets.{subset} needs classes, but no sample of the pool has one: set "
            f"subsets.{subset}.words to a file of concepts, one in each line, or give samples a "
            "class_name in their .json"
        )
    return sorted(found)


def with_concepts(
    pool: PoolSamples, concepts: Sequence[str], column: str
) -> Iterator[tuple[Part, Matches]]:
    """Read which concepts the samples of the pool have, part by part."""
    match = concepts_named if column == "caption" else concepts_of
    for part in pool.parts():
        yield part, match(told(part, column), concepts)


def select(*, selection: Selection, cap: int, words: Path | None = None, seed: int = 0) -> None:
    """Keep at most a number of samples per concept; a sample without one is pruned.

    Args:
        selection: The subset.
        cap: Most samples drawn for each concept.
        words: File of concepts, which captions contain; without it the classes of the samples.
        seed: Seed of the choice.
    """
    pool = selection.pool()
    subset = selection.subset
    if words:
        column, concepts = "caption", read_concepts(words, f"subsets.{subset}.words")
    else:
        column, concepts = "class_name", class_names(pool, subset)
    parts = (found.concept for _, found in with_concepts(pool, concepts, column))
    sizes = group_sizes(parts, len(concepts))
    without = len(concepts) - int((sizes > 0).sum())
    if without == len(concepts):
        raise InputError(
            f"subsets.{subset}.words: no caption of the pool contains any of the {without:,} "
            f"concepts of {words}, such as {concepts[0].strip()!r}: expected words that occur in "
            "captions"
        )
    logger.info("%d of %d concepts have no sample", without, len(concepts))
    draw = Draw(sizes, np.minimum(sizes, min(cap, len(pool))), seed)

    def choices() -> Choices:
        for part, found in with_concepts(pool, concepts, column):
            kept, named = (np.zeros(len(part.rows), dtype=np.bool_) for _ in range(2))
            kept[found.sample[draw.take(found.concept)]] = True
            named[found.sample] = True
            reasons = {"no_concept": int((~named).sum()), "balanced": int((named & ~kept).sum())}
            yield part, Choice(part.rows[kept], reasons)

    selection.write(
        "balanced",
        pool,
        choices(),
        settings={"cap": cap} | ({"words": words.name} if words else {}),
        seed=seed,
        concepts=int((sizes > 0).sum()),
        capped=int((sizes > min(cap, len(pool))).sum()),
    )


METHOD = Method(
    settings=BalancedSubset,
    select=select,
    pruned="those without a concept, and those beyond the cap",
    colour="#117733",
    marker="P",
)
