"""The study's answer in a few sentences, made of the numbers of the accuracy table."""

from collections.abc import Sequence

import polars as pl

from gapmatch.accuracy import over_seeds, select_sets, with_interval
from gapmatch.differences import Difference, signed
from gapmatch.result_files import Subset
from gapmatch.tables import percent


def headline_sentences(
    accuracy: pl.DataFrame,
    subsets: Sequence[Subset],
    differences: Sequence[Difference],
    sets: Sequence[str] | None = None,
) -> list[str]:
    """For the most telling test set: baseline, gap-matched and reference-only accuracy.

    The test set is the one that the first gap-matched training set with a single test set was
    matched to, otherwise the first of the table. What a training set has above or below the
    baseline is told with its interval. The share that remains is
    (gap-matched - reference only) / (baseline - reference only), given where the baseline is
    distinguishably better than the reference alone.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: Summaries, for methods and counts.
        differences: ``differences.differences``.
        sets: Training sets to speak of; all for None.

    Returns:
        Plain sentences; none when no baseline (method "all") was evaluated.
    """
    means = over_seeds(select_sets(accuracy, sets))
    evaluated = set(means["training_set"])
    spoken = [subset for subset in subsets if subset.subset in evaluated]
    matched = [subset for subset in spoken if subset.method == "gap_match"]
    single = [subset.test_sets[0] for subset in matched if len(subset.test_sets) == 1]
    test_set = single[0] if single else means["test_set"][0]
    here = {
        row["training_set"]: row
        for row in means.filter(pl.col("test_set") == test_set).iter_rows(named=True)
    }
    against = {row.training_set: row for row in differences if row.test_set == test_set}
    baseline = next(
        (here[s.subset] for s in spoken if s.method == "all" and s.subset in here), None
    )
    if baseline is None:
        return []
    name = baseline["training_set"]
    sentences = [
        f"On {test_set} (n = {baseline['n']:,}), {name}, trained on the whole pool and the "
        f"reference, reaches {_cell(baseline)} top-1 accuracy."
    ]
    alone = next((s.subset for s in spoken if s.method == "none" and s.subset in here), None)
    if alone is not None:
        sentences.append(
            f"The reference alone ({alone}) reaches {_cell(here[alone])}"
            f"{_compared(against.get(alone), name)}."
        )
    for subset in matched:
        if subset.subset in here:
            row = against.get(subset.subset)
            sentences.append(
                f"{subset.subset}, without the {subset.pruned:,} of {subset.pool:,} pool images "
                f"that gap matching prunes for {', '.join(subset.test_sets)}, reaches "
                f"{_cell(here[subset.subset])}{_compared(row, name)}{_remaining(row, name)}."
            )
    return sentences


def _compared(row: Difference | None, baseline: str) -> str:
    """What a training set has above or below the baseline, to end a sentence with."""
    if row is None:
        return ""
    if not row.distinguishable:
        return (
            f", not distinguishable from {baseline} ({signed(row.difference)} points, 95 % "
            f"interval {signed(row.low)} to {signed(row.high)})"
        )
    side = "above" if row.difference > 0 else "below"
    bounds = sorted((abs(row.low), abs(row.high)))
    return (
        f", {percent(abs(row.difference))} points ({percent(bounds[0])}\N{EN DASH}"
        f"{percent(bounds[1])}) {side} {baseline}"
    )


def _remaining(row: Difference | None, baseline: str) -> str:
    """The share of the baseline's gain that remains, where it was measured."""
    if row is None or row.remains is None:
        return ""
    low, high = (100 * (bound or 0.0) for bound in (row.remains_low, row.remains_high))
    doubt = "" if low > 0 else ", which is not distinguishable from nothing"
    return (
        f"; {100 * row.remains:.0f} % ({low:.0f} to {high:.0f}) of what {baseline} has above the "
        f"reference alone remains{doubt}"
    )


def _cell(mean: dict[str, float | None]) -> str:
    """Accuracy of one row of ``over_seeds`` as text with its interval, in percent."""
    top1, low, high = mean["top1"] or 0.0, mean["top1_low"] or 0.0, mean["top1_high"] or 0.0
    number, _, interval = with_interval(top1, low, high, mean["spread"]).partition(" ")
    return f"{number} % {interval}"
