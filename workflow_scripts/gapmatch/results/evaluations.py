"""Reading the evaluations of models: what tables of accuracy, differences and recall are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from gapmatch.evaluate import metrics
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns, read_object

KEYS = ("training_set", "seed", "test_set", "n")
COLUMNS = {
    "top1": ["label", "predicted", "correct_top1", "correct_top5"],
    metrics.PRECISION: ["labels", "scores"],
    "image_to_text_1": ["caption_rank", "image_ranks"],
}
"""Of the images, by the number of the summary that tells what kind of test set it is."""


@dataclass(frozen=True)
class Evaluation:
    """One model on one test set.

    Attributes:
        training_set: Its training set.
        seed: Its seed.
        test_set: The test set.
        images: What it made of each image, sorted by test_row: label, predicted, correct_top1,
            correct_top5; of images with several classes labels, scores; of images with captions
            caption_rank, image_ranks (see docs/formats.md).
    """

    training_set: str
    seed: int
    test_set: str
    images: pl.DataFrame


def read_evaluations(paths: Sequence[Path]) -> list[Evaluation]:
    """Read evaluation JSONs, each with the parquet of the same name beside it.

    Raises:
        InputError: A file is missing or damaged, the two disagree, or a model occurs twice.
    """
    evaluations: dict[tuple[str, int, str], Evaluation] = {}
    for path in paths:
        summary = read_object(path, KEYS)
        metric = next((metric for metric in COLUMNS if metric in summary), None)
        if metric is None:
            raise InputError(f"{path}: expected one of {', '.join(COLUMNS)}")
        columns = ["test_row", *COLUMNS[metric]]
        images = read_columns(path.with_suffix(".parquet"), columns).sort("test_row")
        _check_agreement(path, summary, images, metric)
        name = (summary["training_set"], int(summary["seed"]), summary["test_set"])
        if name in evaluations:
            raise InputError(f"{path}: a second evaluation of {name}; name each file once")
        evaluations[name] = Evaluation(*name, images=images)
    return list(evaluations.values())


def evaluations_of(
    folder: Path, models: Sequence[str], test_sets: Sequence[str]
) -> list[Evaluation]:
    """Read the evaluations of models on test sets.

    They are not named one by one: those of a large study are more than a command line holds (128 KiB
    on Linux).

    Args:
        folder: Holds MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0.
        test_sets: Names of the test sets.

    Raises:
        InputError: See ``read_evaluations``.
    """
    return read_evaluations(
        [folder / model / f"{test_set}.json" for model in models for test_set in test_sets]
    )


def by_test_set(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """Return the evaluations on each test set, in the order in which these first occur.

    Raises:
        InputError: Models of one test set saw other images.
    """
    groups: dict[str, list[Evaluation]] = {}
    for one in evaluations:
        models = groups.setdefault(one.test_set, [])
        models.append(one)
        if not one.images["test_row"].equals(models[0].images["test_row"]):
            raise InputError(
                f"{one.training_set}, seed {one.seed}, was evaluated on other images of "
                f"{one.test_set} than the models before it: evaluate all again"
            )
    return groups


def _check_agreement(
    path: Path, summary: Mapping[str, Any], images: pl.DataFrame, metric: str
) -> None:
    """Refuse a number that the images beside it do not give."""
    found = float(metrics.values(metric, [images])[0]) if len(images) else None
    if len(images) != summary["n"] or found is None or abs(found - summary[metric]) > 1e-6:
        raise InputError(
            f"{path}: says n = {summary['n']}, {metric} = {summary[metric]}, but the parquet "
            f"beside it gives {found} of {len(images)} images; evaluate this model again"
        )
