"""Far-pruning: drop what is least similar to the test sets."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.subset.keys import most_similar_first
from gapmatch.subset.method import Keep, Method, SearchedSettings
from gapmatch.subset.selection import Selection, Size, select_by_similarity


class FarSubset(SearchedSettings):
    """Far-pruning: drop what is least similar to the test sets."""

    method: Literal["far"] = Field(description="Drop the samples farthest from the test sets.")
    keep: Keep


def select(
    *, selection: Selection, similarity: Path, test_sets: list[str], size: Size = Size()
) -> None:
    """Drop the samples farthest from the test sets.

    Args:
        selection: The subset.
        similarity: Folder similarity/<embedder>.
        test_sets: Test sets to measure against.
        size: How much of the pool is kept.
    """
    select_by_similarity(selection, similarity, test_sets, size, most_similar_first, "far")


METHOD = Method(
    settings=FarSubset,
    select=select,
    pruned="those farthest from {test_sets}",
    colour="#0072B2",
    marker=">",
)
