"""Near-pruning: drop what is most similar to the test sets."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.subset.keys import least_similar_first
from gapmatch.subset.method import Keep, Method, SearchedSettings
from gapmatch.subset.selection import Selection, Size, select_by_similarity


class NearSubset(SearchedSettings):
    """Near-pruning: drop what is most similar to the test sets."""

    method: Literal["near"] = Field(description="Drop the samples nearest to the test sets.")
    keep: Keep


def select(
    *, selection: Selection, similarity: Path, test_sets: list[str], size: Size = Size()
) -> None:
    """Drop the samples nearest to the test sets.

    Args:
        selection: The subset.
        similarity: Folder similarity/<embedder>.
        test_sets: Test sets to measure against.
        size: How much of the pool is kept.
    """
    select_by_similarity(selection, similarity, test_sets, size, least_similar_first, "near")


METHOD = Method(
    settings=NearSubset,
    select=select,
    pruned="those nearest to {test_sets}",
    colour="#D55E00",
    marker="<",
)
