"""Near-pruning: drop what is most similar to the test sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.subset.keys import Keys, near_keys
from gapmatch.subset.method import Keep, Method, SearchedSettings
from gapmatch.subset.selection import (
    Part,
    Selection,
    Size,
    by_lowest_keys,
    largest_over_test_sets,
)


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
    pool = selection.pool()

    def keys() -> Iterator[tuple[Part, Keys]]:
        for part in pool.parts():
            nearest, _ = largest_over_test_sets(part, similarity, test_sets, "nearest_similarity")
            yield part, near_keys(nearest)

    kept = by_lowest_keys(keys, size.samples(pool, selection.subset), "near")
    selection.write("near", pool, kept, test_sets=test_sets)


METHOD = Method(
    settings=NearSubset,
    select=select,
    pruned="those nearest to {test_sets}",
    colour="#D55E00",
    marker="<",
)
