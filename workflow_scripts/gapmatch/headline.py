"""The study's answer in a few sentences, made of the numbers of the accuracy table."""

from collections.abc import Sequence

import polars as pl

from gapmatch.accuracy import over_seeds, select_sets, with_interval
from gapmatch.result_files import Subset
from gapmatch.tables import percent


def headline_sentences(
    accuracy: pl.DataFrame, subsets: Sequence[Subset], sets: Sequence[str] | None = None
) -> list[str]:
    """For the most telling test set: baseline, gap-matched and reference-only accuracy.

    The test set is the one that the first gap-matched training set with a single test set was
    matched to, otherwise the first of the table. The share that remains is
    (gap-matched - reference only) / (baseline - reference only), at least 0, given where the
    baseline is better than the reference alone.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: Summaries, for methods and counts.
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
    baseline = next(
        (here[s.subset] for s in spoken if s.method == "all" and s.subset in here), None
    )
    alone = next((here[s.subset] for s in spoken if s.method == "none" and s.subset in here), None)
    if baseline is None:
        return []
    sentences = [
        f"On {test_set} (n = {baseline['n']:,}), {baseline['training_set']}, trained on the whole "
        f"pool and the reference, reaches {_cell(baseline)} top-1 accuracy."
    ]
    if alone is not None:
        sentences.append(f"The reference alone ({alone['training_set']}) reaches {_cell(alone)}.")
    for subset in matched:
        if subset.subset not in here:
            continue
        mean = here[subset.subset]
        text = (
            f"{subset.subset}, without the {subset.pruned:,} of {subset.pool:,} pool images that "
            f"gap matching prunes for {', '.join(subset.test_sets)}, reaches {_cell(mean)}"
        )
        gain = baseline["top1"] - alone["top1"] if alone is not None else 0.0
        if alone is not None and gain > 0:
            share = max(0.0, (mean["top1"] - alone["top1"]) / gain)
            text += (
                f": {100 * share:.0f} % of the {percent(gain)} points by which the baseline is "
                "better than the reference alone remain"
            )
        sentences.append(f"{text}.")
    return sentences


def _cell(mean: dict[str, float | None]) -> str:
    """Accuracy of one row of ``over_seeds`` as text with its interval, in percent."""
    top1, low, high = mean["top1"] or 0.0, mean["top1_low"] or 0.0, mean["top1_high"] or 0.0
    number, _, interval = with_interval(top1, low, high, mean["spread"]).partition(" ")
    return f"{number} % {interval}"
