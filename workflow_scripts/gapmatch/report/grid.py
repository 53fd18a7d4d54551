"""What a grid of diverse subsets answers, in sentences."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from gapmatch.tables.accuracy import described
from gapmatch.tables.factors import DIVERSITY, SIZE

DOUBLED = {SIZE: "twice as many pool images", DIVERSITY: "twice as many clusters"}


def factor_sentences(
    factors: pl.DataFrame, near: Mapping[str, Collection[str]], subsets: Collection[str]
) -> list[str]:
    """Tell for each test set what doubling size and diversity changes, and what is at chance.

    Args:
        factors: ``factors.factor_table``.
        near: Training sets that are not better than chance, by test set.
        subsets: Names of the grid's subsets.
    """
    sentences = []
    for key, rows in factors.group_by("test_set", "n", "metric", maintain_order=True):
        test_set, n, metric = str(key[0]), int(str(key[1])), str(key[2])
        doubled = rows.filter(pl.col("factor").is_in(list(DOUBLED))).fill_nan(None)
        told = [
            f"{DOUBLED[row['factor']]} {_told(row)}"
            for row in doubled.drop_nulls("slope").iter_rows(named=True)
        ]
        sentence = f"On {described(test_set, n, metric)}, {'; '.join(told)}."
        if not told:
            sentence = f"On {described(test_set, n, metric)}, all cells of the grid are equal."
        if at_chance := sum(name in near.get(test_set, ()) for name in subsets):
            sentence += (
                f" {at_chance} of the grid's {len(subsets)} subsets "
                f"{'is' if at_chance == 1 else 'are'} not better than chance there, so the effects "
                "above are unreliable."
            )
        sentences.append(sentence)
    return sentences


def _told(row: Mapping[str, Any]) -> str:
    """Return what a doubling changes, to end a sentence with."""
    value, low, high = (row[f"slope{bound}"] for bound in ("", "_low", "_high"))
    interval = f"95 % interval {low:+.2f} to {high:+.2f}"
    if low > 0 or high < 0:
        return f"change the logit of the score by {value:+.2f} ({interval})"
    return f"have no effect distinguishable from zero ({value:+.2f} on that logit, {interval})"
