"""The whole (deduplicated) pool: the baseline."""

from typing import Literal

from pydantic import Field

from gapmatch.subset.method import Method, SubsetSettings
from gapmatch.subset.selection import Choice, Selection


class AllSubset(SubsetSettings):
    """The whole (deduplicated) pool: the baseline."""

    method: Literal["all"] = Field(description="Keep the whole pool.")


def select(*, selection: Selection) -> None:
    """Keep the whole pool.

    Args:
        selection: The subset.
    """
    pool = selection.pool()
    selection.write("all", pool, ((part, Choice(part.rows, {})) for part in pool.parts()))


METHOD = Method(settings=AllSubset, select=select, colour="#000000", marker="o")
