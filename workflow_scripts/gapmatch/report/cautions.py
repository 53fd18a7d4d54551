"""What a reader must know before he believes a study's numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from gapmatch.evaluate import metrics
from gapmatch.report.headline import listed
from gapmatch.results.summaries import Subset
from gapmatch.results.table_files import percent
from gapmatch.tables.accuracy import near_chance, over_seeds, select_sets

ONE_CLASS = 0.9
LITTLE_LEFT = 0.25
"""Of LAION-400M, deduplication leaves a half."""


def caution_sentences(
    accuracy: pl.DataFrame,
    embedders: pl.DataFrame,
    subsets: Sequence[Subset],
    sets: Sequence[str] | None = None,
    recalls: pl.DataFrame | None = None,
) -> list[str]:
    """What a reader must know before he believes the numbers; nothing where all is well.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        embedders: ``embedder_table.embedder_table``.
        subsets: Summaries, for the duplicates.
        sets: Training sets to speak of; all for None.
        recalls: ``retrieval.first_recalls``; None without retrieval.

    Returns:
        A sentence for models that are not better than chance or answer with one class, for each
        embedder and test set whose nearest reference images do not tell the class, for a pool of
        which deduplication left little, and for a study of one seed.
    """
    shown = select_sets(accuracy, sets)
    sentences = [*_chance_sentences(shown, sets, recalls), *_one_class_sentences(shown)]
    sentences += [
        _embedder_sentence(row)
        for row in embedders.iter_rows(named=True)
        if row["n"] and row["right_class_low"] <= row["chance"] < 1
    ]
    emptied = [one for one in subsets if one.pool < LITTLE_LEFT * one.embedded]
    sentences += [
        f"Deduplication left {one.pool:,} of the pool's {one.embedded:,} samples: if its images "
        "are alike but not copies, raise deduplicate.threshold."
        for one in emptied[:1]  # they are all of one pool
    ]
    if accuracy["seed"].n_unique() == 1:
        sentences.append(
            "With one seed, intervals are over test images alone: they do not tell what another "
            "seed would give."
        )
    return sentences


def _chance_sentences(
    accuracy: pl.DataFrame, sets: Sequence[str] | None, recalls: pl.DataFrame | None
) -> list[str]:
    """Name the models that are not better than chance, those of the same scores together."""
    chance = dict(accuracy.select("test_set", "chance").iter_rows())
    near = {
        f"{test_set} ({percent(chance[test_set])} %)": names
        for test_set, names in near_chance(accuracy).items()
    }
    if recalls is not None:
        for row in recalls.filter(pl.col("low") <= pl.col("chance")).iter_rows(named=True):
            if sets is None or row["training_set"] in sets:
                score = f"{row['test_set']}, {metrics.NAMES[row['direction'] + '_1']}"
                where = f"{score} ({percent(row['chance'])} %)"
                near.setdefault(where, []).append(row["training_set"])
    return [
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} not better than chance on "
        f"{listed(scores)}: gains and losses there mean nothing."
        for names, scores in _together(near)
    ]


def _together(near: Mapping[str, Sequence[str]]) -> list[tuple[list[str], list[str]]]:
    """Return the lists of names that several keys share, each once with its keys."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for key, names in near.items():
        shared.setdefault(tuple(names), []).append(key)
    return [(list(names), keys) for names, keys in shared.items()]


def _one_class_sentences(accuracy: pl.DataFrame) -> list[str]:
    """Name the models that answer with one class throughout, though there are others."""
    means = over_seeds(accuracy).filter(
        (pl.col("one_class") > ONE_CLASS) & (pl.col("chance") < ONE_CLASS)
    )
    found: dict[str, list[str]] = {}
    for row in means.iter_rows(named=True):
        found.setdefault(row["test_set"], []).append(row["training_set"])
    return [
        f"{listed(names)} {'gives' if len(names) == 1 else 'give'} one answer for more than "
        f"{percent(ONE_CLASS)} % of the images of {listed(tests)}: nothing was learned that tells "
        "their classes apart."
        for names, tests in _together(found)
    ]


def _embedder_sentence(row: dict[str, Any]) -> str:
    """Tell that the nearest reference images do not tell the class."""
    right, chance = percent(row["right_class"]), percent(row["chance"])
    return (
        f"Of the {row['n']:,} images of {row['test_set']} whose class the reference holds, "
        f"{right} % share it with the reference image that the embedder {row['embedder']} finds "
        f"nearest. One image for all of them would reach {chance} %: what this embedder takes for "
        "similar shares something other than the class, such as the style."
    )
