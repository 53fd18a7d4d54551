"""Gap-matched pruning: keep p iff s(t, p) <= s^(K)(R) + offset for every test image t."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from gapmatch.data.embedding_files import Float32
from gapmatch.search.search_tables import margin_column
from gapmatch.subset.keys import Mask
from gapmatch.subset.method import Method, SearchedSettings
from gapmatch.subset.selection import (
    Choice,
    Choices,
    PoolSamples,
    Selection,
    largest_over_test_sets,
)


class GapMatchSubset(SearchedSettings):
    """Gap-matched pruning: keep p iff s(t, p) <= s^(K)(R) + offset for every test image t."""

    method: Literal["gap_match"] = Field(description="Gap-matched pruning.")
    rank: int = Field(1, ge=1, description="Matched rank K; 1 is the paper's.")
    offset: float = Field(
        0.0, ge=-2, le=2, description="Added to every threshold; 0 is the paper's."
    )


def select_gap_match(largest_margin: Float32, offset: float) -> Mask:
    """Keep samples that are no nearer to any test image than the reference is.

    Args:
        largest_margin: (rows,): m_K(p), the largest over the test sets.
        offset: Keep up to this margin, equality included.
    """
    kept: Mask = largest_margin <= np.float64(offset)
    return kept


def choices(
    pool: PoolSamples, similarity: Path, test_sets: list[str], rank: int, offset: float
) -> Choices:
    """Select by gap matching; a pruned sample counts for the test set of its largest margin."""
    column = margin_column(rank)
    for part in pool.parts():
        margin, winner = largest_over_test_sets(part, similarity, test_sets, column)
        kept = select_gap_match(margin, offset)
        counts = np.bincount(winner[~kept], minlength=len(test_sets)).tolist()
        yield part, Choice(part.rows[kept], dict(zip(test_sets, counts, strict=True)))


def select(
    *,
    selection: Selection,
    similarity: Path,
    test_sets: list[str],
    rank: int = 1,
    offset: float = 0.0,
) -> None:
    """Keep samples that are no nearer to any test image than the reference is.

    Args:
        selection: The subset.
        similarity: Folder similarity/<embedder>.
        test_sets: Test sets to match.
        rank: Matched rank K.
        offset: Added to every threshold.
    """
    pool = selection.pool()
    found = choices(pool, similarity, test_sets, rank, offset)
    selection.write("gap_match", pool, found, test_sets=test_sets, rank=rank, offset=offset)


METHOD = Method(
    settings=GapMatchSubset,
    select=select,
    pruned="those that gap matching prunes for {test_sets}",
)
