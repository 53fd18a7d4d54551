"""The similarity search."""

from pydantic import Field

from gapmatch.kinds.section import DistinctIntegers, Name, Section

POOL_NEIGHBOURS = 20
"""Nearest pool images kept of every test image. They come from the product that the margins need
anyway; were their number a setting, a change of it would repeat the margins, and with them every
subset and every training."""


class Search(Section):
    """The similarity search of test sets against reference and pool."""

    embedder: Name = Field("trained", description="Embedder that defines similarity.")
    reference_neighbours: int = Field(
        10, ge=1, le=1000, description="Nearest reference images kept per test image."
    )
    ranks: DistinctIntegers = Field(
        [1],
        min_length=1,
        description="Matched ranks K for which margins are computed; 1 is the paper's.",
    )
