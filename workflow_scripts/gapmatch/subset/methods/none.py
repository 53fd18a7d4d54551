"""Nothing of the pool: the reference alone."""

from typing import Literal

from pydantic import Field

from gapmatch.subset.method import Method, SubsetSettings
from gapmatch.subset.selection import Choice, Selection


class NoneSubset(SubsetSettings):
    """Nothing of the pool: the reference alone."""

    method: Literal["none"] = Field(description="Keep nothing: train on the reference alone.")


def select(*, selection: Selection) -> None:
    """Keep nothing.

    Args:
        selection: The subset.
    """
    pool = selection.pool()
    choices = ((part, Choice(part.rows[:0], {"none": len(part.rows)})) for part in pool.parts())
    selection.write("none", pool, choices)


METHOD = Method(settings=NoneSubset, select=select, colour="#E69F00", marker="s")
