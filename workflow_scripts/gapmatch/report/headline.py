"""The study's answer in a few sentences, made of the numbers of its tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gapmatch.evaluate import metrics
from gapmatch.results.summaries import Subset
from gapmatch.results.table_files import percent
from gapmatch.subset.method import methods
from gapmatch.tables.accuracy import near_chance, over_seeds, select_sets, with_interval
from gapmatch.tables.differences import Difference, signed


@dataclass(frozen=True)
class _Shown:
    """What is known of one test set.

    Attributes:
        subsets: Subsets whose models were evaluated, in the order of the table.
        means: Rows of ``over_seeds`` by training set.
        differences: Differences from the baseline by training set.
        baseline: The training set of the whole pool and the reference.
        at_chance: Training sets that are not better than chance.
    """

    subsets: Sequence[Subset]
    means: Mapping[str, dict[str, Any]]
    differences: Mapping[str, Difference]
    baseline: str
    at_chance: Collection[str]

    def told(self, subset: str) -> str:
        """Return accuracy, difference from the baseline and what remains of its gain.

        Between two models that are not better than chance no difference is told.
        """
        if subset != self.baseline and {subset, self.baseline} <= set(self.at_chance):
            return f"{_cell(self.means[subset])}, no better than chance, as {self.baseline} is"
        row = self.differences.get(subset)
        compared = _compared(row, self.baseline) + _remaining(row, self.baseline)
        return _cell(self.means[subset]) + compared


@dataclass(frozen=True)
class _Headline:
    """What the headline speaks of.

    Attributes:
        means: ``accuracy.over_seeds`` of the training sets.
        spoken: Subsets whose models were evaluated, in the order of the table.
        baseline: The training set of the whole pool and the reference.
        near: Training sets that are not better than chance, by test set.
        matched: The gap-matched subset of each test set that one is matched to alone.
        test_set: The most telling test set.
    """

    means: pl.DataFrame
    spoken: Sequence[Subset]
    baseline: str
    near: Mapping[str, Collection[str]]
    matched: Mapping[str, str]
    test_set: str


def _headline(
    accuracy: pl.DataFrame, subsets: Sequence[Subset], sets: Sequence[str] | None
) -> _Headline | None:
    """Choose what the headline speaks of; nothing where no baseline (method "all") was evaluated.

    The test set is the first that a gap-matched training set alone was matched to and on which the
    baseline is better than chance; else the first such, else the first of the table.
    """
    means = over_seeds(select_sets(accuracy, sets))
    order = means["training_set"].unique(maintain_order=True).to_list()
    spoken = [subset for name in order for subset in subsets if subset.subset == name]
    baseline = next((one.subset for one in spoken if one.method == "all"), None)
    if baseline is None:
        return None
    near = near_chance(select_sets(accuracy, sets))
    matched = {
        one.test_sets[0]: one.subset
        for one in reversed(spoken)
        if one.method == "gap_match" and len(one.test_sets) == 1
    }
    tests = [name for name in means["test_set"].unique(maintain_order=True) if name in matched]
    telling = [name for name in tests if baseline not in near.get(name, ())]
    test_set = [*telling, *tests, means["test_set"][0]][0]
    return _Headline(means, spoken, baseline, near, matched, test_set)


def headline_test_set(
    accuracy: pl.DataFrame, subsets: Sequence[Subset], sets: Sequence[str] | None = None
) -> str | None:
    """Return the test set that the headline speaks of; see ``headline_sentences``."""
    chosen = _headline(accuracy, subsets, sets)
    return chosen.test_set if chosen else None


def headline_sentences(
    accuracy: pl.DataFrame,
    subsets: Sequence[Subset],
    differences: Sequence[Difference],
    sets: Sequence[str] | None = None,
    recalls: pl.DataFrame | None = None,
) -> list[str]:
    """For the most telling test set: accuracy of the baseline, the reference alone and the pruned.

    What a training set has above or below the baseline is told with its interval. The share that
    remains is (gap-matched - reference only) / (baseline - reference only), given where the
    baseline is distinguishably better than the reference alone.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: Summaries, for methods and counts.
        differences: ``differences.differences``.
        sets: Training sets to speak of, in this order; all for None.
        recalls: ``retrieval.first_recalls``; None without retrieval.

    Returns:
        Plain sentences; none when no baseline (method "all") was evaluated.
    """
    chosen = _headline(accuracy, subsets, sets)
    if chosen is None:
        return []
    means, baseline = chosen.means, chosen.baseline
    matched, test_set = chosen.matched, chosen.test_set
    rows = means.filter(pl.col("test_set") == test_set).iter_rows(named=True)
    shown = _Shown(
        subsets=chosen.spoken,
        means={row["training_set"]: row for row in rows},
        differences={row.training_set: row for row in differences if row.test_set == test_set},
        baseline=baseline,
        at_chance=chosen.near.get(test_set, ()),
    )
    why = f", which {matched[test_set]} is matched to" if test_set in matched else ""
    place = f"On {test_set} (n = {shown.means[baseline]['n']:,}){why}"
    sentences = [*_unpruned(shown, place), *_pruned(shown)]
    number = means["test_set"].n_unique()
    if number > 1:
        sentences.append(
            f"{test_set} is one of {number} test sets of classes: the tables accuracy and "
            "differences show all."
        )
    if recalls is not None:
        sentences += _retrieval_sentences(recalls, baseline, matched)
    return sentences


def _unpruned(shown: _Shown, place: str) -> list[str]:
    """Tell of the whole pool, and of nothing of it."""
    sentences = [
        f"{place}, {shown.baseline} (trained on the whole pool and the reference) reaches "
        f"{shown.told(shown.baseline)} {_judged_by(shown.means[shown.baseline]['metric'])}."
    ]
    alone = next((one.subset for one in shown.subsets if one.method == "none"), None)
    if alone is not None:
        sentences.append(f"The reference alone ({alone}) reaches {shown.told(alone)}.")
    return sentences


def _pruned(shown: _Shown) -> list[str]:
    """Tell of each pruned subset."""
    return [
        f"{one.subset}, without {one.pruned:,} of {one.pool:,} pool images "
        f"({methods()[one.method].pruned.format(test_sets=listed(one.test_sets))}), reaches "
        f"{shown.told(one.subset)}."
        for one in shown.subsets
        if methods()[one.method].pruned
    ]


def _retrieval_sentences(
    recalls: pl.DataFrame, baseline: str, matched: Mapping[str, str]
) -> list[str]:
    """Tell recall at 1 on each test set with captions: of the baseline, and of what is matched."""
    sentences = []
    for (test_set,), rows in recalls.group_by("test_set", maintain_order=True):
        names = [baseline, *([matched[str(test_set)]] if test_set in matched else [])]
        told = [
            f"{name} reaches a recall at 1 of "
            + " and ".join(
                f"{_share(row['recall'], row['low'], row['high'])} from "
                f"{row['direction'].replace('_', ' ')}"
                for row in rows.filter(training_set=name).iter_rows(named=True)
            )
            for name in names
        ]
        why = f", which {names[1]} is matched to" if len(names) > 1 else ""
        place = f"On {test_set} (n = {rows['n'][0]:,} images with captions){why}"
        sentences.append(f"{place}, {'; '.join(told)}.")
    return sentences


def _share(value: float, low: float, high: float) -> str:
    return f"{percent(value)} % ({percent(low)}\N{EN DASH}{percent(high)})"


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _compared(row: Difference | None, baseline: str) -> str:
    """What a training set has above or below the baseline, to end a sentence with."""
    if row is None:
        return ""
    if row.identical:
        return f", right on the same images as {baseline}"
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
    doubt = "" if low > 0 else ", which is not distinguishable from zero"
    return (
        f"; {100 * row.remains:.0f} % ({low:.0f} to {high:.0f}) of {baseline}'s gain over the "
        f"reference alone remains{doubt}"
    )


def _judged_by(metric: str) -> str:
    """Return what people call a score."""
    name = metrics.NAMES[metric]
    return name if metric == metrics.PRECISION else f"{name} accuracy"


def _cell(mean: dict[str, Any]) -> str:
    """Accuracy of one row of ``over_seeds`` as text with its interval, in percent."""
    text = with_interval(mean["score"], mean["score_low"], mean["score_high"], mean["spread"])
    number, _, interval = text.partition(" ")
    return f"{number} % {interval}"
