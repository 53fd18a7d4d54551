"""Random pruning: the control of the same size."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from gapmatch.subset.keys import Keys, random_keys
from gapmatch.subset.method import Keep, Method, SubsetSettings
from gapmatch.subset.selection import Part, Selection, Size, by_lowest_keys


class RandomSubset(SubsetSettings):
    """Random pruning: the control of the same size."""

    method: Literal["random"] = Field(description="Drop samples at random.")
    keep: Keep
    seed: int = Field(0, ge=0, description="Seed of the choice.")


def select(*, selection: Selection, size: Size = Size(), seed: int = 0) -> None:
    """Drop samples at random; which depends on the seed and the pool's size.

    Args:
        selection: The subset.
        size: How much of the pool is kept.
        seed: Seed of the choice.
    """
    pool = selection.pool()

    def keys() -> Iterator[tuple[Part, Keys]]:
        generator = np.random.default_rng(seed)
        for part in pool.parts():
            yield part, random_keys(generator, len(part.rows))

    kept = by_lowest_keys(keys, size.samples(pool, selection.subset), "random")
    selection.write("random", pool, kept, seed=seed)


METHOD = Method(
    settings=RandomSubset, select=select, pruned="chosen at random", colour="#8c8c8c", marker="h"
)
