"""Accuracy against size on the test sets that did not steer the pruning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gapmatch.drawing import style
from gapmatch.figures import accuracy_by_size
from gapmatch.results import shown
from gapmatch.subset.method import sized_methods
from gapmatch.tables.accuracy import read_accuracy
from gapmatch.tables.subsets import read_training_sets

if TYPE_CHECKING:
    from gapmatch.config.study import Study


def plot(*, accuracy: Path, subsets: Path, out: Path) -> None:
    """Plot accuracy against size, near- and far-pruning on the test sets that did not steer it.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    known = read_training_sets(subsets)
    frame = accuracy_by_size.accuracy_by_size(read_accuracy(accuracy), known, steered=False)
    style.save(accuracy_by_size.draw(frame, style.palette(known)), frame, out)


def some_are_not_steered_by_all(study: Study) -> bool:
    """Return whether a sized subset was steered by some test sets, but not by all."""
    return any(
        subset.method in sized_methods()
        and 0 < len(study.subset_test_sets(name)) < len(study.test_sets)
        for name, subset in study.subsets.items()
    )


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(accuracy="accuracy", subsets="subsets"),
    items=lambda results: [""] if some_are_not_steered_by_all(results.study) else [],
    place=60,
    paper=("fig7",),
    caption=(
        "Accuracy (top-1, where no other metric is named) against the number of images in the "
        "training set (kept pool samples plus reference), on test sets other than those that near- "
        "and far-pruning was steered by. Near-, far- and random-pruned curves end in the unpruned "
        "pool; other curves join diverse subsets of as many clusters; single markers are the other "
        "training sets. n is the number of test images. Bars are 95 % percentile bootstrap "
        "intervals over test images; for several seeds, accuracy and bounds are averaged over "
        "seeds."
    ),
)
