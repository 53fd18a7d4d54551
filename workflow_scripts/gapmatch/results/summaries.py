"""Reading summaries, certificates and evaluations: what tables and the report are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns, read_object


@dataclass(frozen=True)
class Subset:
    """summary.json of a subset: how it was declared and what it keeps (counts of pool samples)."""

    subset: str
    method: str
    test_sets: tuple[str, ...]
    rank: int | None
    offset: float | None
    embedder: str | None
    embedded: int
    duplicates: int
    pool: int
    kept: int
    pruned: int
    pruned_by: Mapping[str, int]


def read_subsets(paths: Sequence[Path]) -> list[Subset]:
    """Read summary.json files, in the order given (which is the order of tables and legends).

    Raises:
        InputError: A file is not a summary, or two files are of the same subset.
    """
    subsets = []
    for path in paths:
        keys = list(Subset.__dataclass_fields__)
        summary = read_object(path, keys)
        summary["test_sets"] = tuple(summary["test_sets"] or ())
        subsets.append(Subset(**{key: summary[key] for key in keys}))
    names = [subset.subset for subset in subsets]
    if len(set(names)) < len(names):
        raise InputError(f"two summaries are of the same subset: {', '.join(sorted(names))}")
    return subsets


def baseline_of(subsets: Sequence[Subset]) -> Subset:
    """The first subset that keeps the whole pool (method "all").

    Raises:
        InputError: There is none.
    """
    for subset in subsets:
        if subset.method == "all":
            return subset
    raise InputError(
        "no subset with method 'all' among the summaries: the figures compare with the unpruned "
        "pool; add one to the config, e.g. 'baseline: {method: all}'"
    )


def read_certificates(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Read certificate.json files; returns them by subset, in the order given."""
    keys = ("subset", "test_images", "violations", "max_excess", "tolerance", "test_sets")
    certificates = [read_object(path, keys) for path in paths]
    return {certificate["subset"]: certificate for certificate in certificates}


@dataclass(frozen=True)
class Evaluation:
    """One model on one test set: what its JSON says and the prediction for each image."""

    training_set: str
    seed: int
    test_set: str
    top1: float
    top5: float
    mean_per_class: float
    images: pl.DataFrame  # test_row, label, predicted, correct_top1; sorted by test_row


def read_evaluations(paths: Sequence[Path]) -> list[Evaluation]:
    """Read evaluation JSONs, each with the parquet of the same name beside it.

    Raises:
        InputError: A file is missing or damaged, the two disagree, or a model occurs twice.
    """
    keys = ("training_set", "seed", "test_set", "n", "top1", "top5", "mean_per_class")
    evaluations: dict[tuple[str, int, str], Evaluation] = {}
    for path in paths:
        summary = read_object(path, keys)
        beside = path.with_suffix(".parquet")
        images = read_columns(beside, ["test_row", "label", "predicted", "correct_top1"]).sort(
            "test_row"
        )
        _check_agreement(path, summary, images)
        name = (summary["training_set"], int(summary["seed"]), summary["test_set"])
        if name in evaluations:
            raise InputError(f"{path}: a second evaluation of {name}; name each file once")
        evaluations[name] = Evaluation(
            *name,
            top1=summary["top1"],
            top5=summary["top5"],
            mean_per_class=summary["mean_per_class"],
            images=images,
        )
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


def _check_agreement(path: Path, summary: Mapping[str, Any], images: pl.DataFrame) -> None:
    """Refuse an accuracy that its own predictions do not give."""
    total = int(images["correct_top1"].sum())
    if images.height != summary["n"] or abs(total - summary["top1"] * images.height) > 1e-3:
        raise InputError(
            f"{path}: says n = {summary['n']}, top1 = {summary['top1']}, but the parquet beside it "
            f"has {total} of {images.height} correct; evaluate this model again"
        )


def read_nearest(path: Path) -> pl.DataFrame:
    """Read nearest.parquet: test_set, test_row, reference_similarity, pool_similarity.

    A subset that keeps nothing of the pool has null or NaN pool similarities: both become null.
    """
    columns = ["test_set", "test_row", "reference_similarity", "pool_similarity"]
    similarities = pl.col("reference_similarity", "pool_similarity").cast(pl.Float64)
    return read_columns(path, columns).with_columns(similarities.fill_nan(None))
