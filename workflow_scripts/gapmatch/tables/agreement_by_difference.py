"""Agreement of people with embedders as a function of how different the two similarities are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from gapmatch.human_check.agreement import agreeing, share
from gapmatch.results.shown import Table
from gapmatch.results.statistics import quantile_bins
from gapmatch.running.atomic import write_text
from gapmatch.tables import human_check
from gapmatch.tables.human_check import HumanCheck, Judged

BINS = 5
FEWEST = 10  # trials in a bin: an interval of fewer says nothing
SCHEMA = {
    "embedder": pl.String,
    "test_set": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "mean_difference": pl.Float64,
    "n": pl.Int64,
    "raters": pl.Int64,
    "agreement": pl.Float64,
    "agreement_low": pl.Float64,
    "agreement_high": pl.Float64,
}


def agreement_by_difference(judged: Judged) -> pl.DataFrame:
    """Agreement in bins of equally many trials by the size of the difference: ``SCHEMA``.

    Bins are fewer where one would hold less than ``FEWEST`` trials.
    """
    rows = []
    for test_set, mine in judged.parts():
        chosen = judged.chose_pool[:, mine]
        for embedder, difference in judged.differences.items():
            size, agreed = np.abs(difference[mine]), agreeing(chosen, difference[mine])
            if not size.size:
                continue
            bins = max(min(BINS, size.size // FEWEST), 1)
            edges, place = quantile_bins(size, bins)
            for number in np.unique(place):
                inside = place == number
                rows.append(
                    (
                        *(
                            embedder,
                            test_set,
                            edges[number],
                            edges[min(number + 1, len(edges) - 1)],
                        ),
                        *(size[inside].mean(), inside.sum()),
                        (~np.isnan(chosen[:, inside])).any(axis=1).sum(),
                        *share(agreed[:, inside]),
                    )
                )
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def tabulate(*, check: HumanCheck, out: Path) -> None:
    """Tabulate agreement by how different the similarities of the two sides are.

    Args:
        check: What people and embedders found.
        out: Path of the table without suffix.
    """
    table = agreement_by_difference(check.judged())
    write_text(out.with_name(f"{out.name}.csv"), table.write_csv())


TABLE = Table(
    make=tabulate, needs=human_check.needs, items=human_check.TABLE.items, suffixes=("csv",)
)
