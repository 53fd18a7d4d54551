"""Far-pruning: drop what is least similar to the test sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.subset.keys import Keys, far_keys
from gapmatch.subset.method import Keep, Method, SearchedSettings
from gapmatch.subset.selection import (
    Part,
    Selection,
    Size,
    by_lowest_keys,
    largest_over_test_sets,
)


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
    pool = selection.pool()

    def keys() -> Iterator[tuple[Part, Keys]]:
        for part in pool.parts():
            nearest, _ = largest_over_test_sets(part, similarity, test_sets, "nearest_similarity")
            yield part, far_keys(nearest)

    kept = by_lowest_keys(keys, size.samples(pool, selection.subset), "far")
    selection.write("far", pool, kept, test_sets=test_sets)


METHOD = Method(
    settings=FarSubset,
    select=select,
    pruned="those farthest from {test_sets}",
    colour="#0072B2",
    marker=">",
)
