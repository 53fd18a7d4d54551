"""Retrieval of every model: captions by images, and images by captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.evaluate.recalls import RECALLS
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import percentile_interval
from gapmatch.results.table_files import percent, write_table
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns, read_object

if TYPE_CHECKING:
    from gapmatch.config.results import Results

DIRECTIONS = ("image_to_text", "text_to_image")
REPLICATES = 2_000
SCHEMA = {
    "training_set": pl.String,
    "seed": pl.Int64,
    "test_set": pl.String,
    "n": pl.Int64,
    "captions": pl.Int64,
    "direction": pl.String,
    "k": pl.Int64,
    "recall": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "chance": pl.Float64,
}

Found = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Retrieval:
    """One model on one test set of images with captions.

    Attributes:
        training_set: Its training set.
        seed: Its seed.
        test_set: The test set.
        images: test_row, caption_rank, image_ranks: see ``evaluate.retrieval.retrieve``.
    """

    training_set: str
    seed: int
    test_set: str
    images: pl.DataFrame


def read_retrievals(
    folder: Path, models: Sequence[str], test_sets: Sequence[str]
) -> list[Retrieval]:
    """Read the retrievals of models on test sets.

    Args:
        folder: Holds MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0.
        test_sets: Names of the test sets.

    Raises:
        InputError: A file is missing or damaged, or the two disagree.
    """
    found = []
    for model in models:
        for test_set in test_sets:
            path = folder / model / f"{test_set}.json"
            summary = read_object(path, ["training_set", "seed", "test_set", "n", "captions"])
            images = read_columns(
                path.with_suffix(".parquet"), ["test_row", "caption_rank", "image_ranks"]
            ).sort("test_row")
            if (len(images), _captions(images).sum()) != (summary["n"], summary["captions"]):
                raise InputError(
                    f"{path}: does not fit the parquet beside it; evaluate this model again"
                )
            key = summary["training_set"], int(summary["seed"]), summary["test_set"]
            found.append(Retrieval(*key, images))
    return found


def _captions(images: pl.DataFrame) -> Found:
    """Return the number of captions of each image."""
    return images["image_ranks"].list.len().to_numpy().astype(np.int64)


def found_at(images: pl.DataFrame, direction: str, k: int) -> tuple[Found, Found]:
    """Return for each image how many of its queries found it or its captions, of how many.

    Args:
        images: See ``Retrieval``.
        direction: Of ``DIRECTIONS``: an image is one query, or each of its captions is one.
        k: A query finds what is among the first k.
    """
    if direction == "image_to_text":
        hits = images["caption_rank"].to_numpy() <= k
        return hits.astype(np.int64), np.ones(len(images), dtype=np.int64)
    hits_per_image = images.select(pl.col("image_ranks").list.eval(pl.element() <= k).list.sum())
    return hits_per_image.to_series().to_numpy().astype(np.int64), _captions(images)


def recall_interval(hits: Found, queries: Found) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a recall, resampling images.

    The captions of an image are drawn together: they are no independent queries. Images that have
    as many hits of as many queries are interchangeable, so their numbers are drawn.

    Args:
        hits: (images,): queries of each image that find what they should.
        queries: (images,): of how many.
    """
    patterns, numbers = np.unique(np.column_stack([hits, queries]), axis=0, return_counts=True)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(hits), numbers / len(hits), size=REPLICATES) @ patterns
    return percentile_interval(drawn[:, 0] / drawn[:, 1])


def retrieval_table(retrievals: Sequence[Retrieval]) -> pl.DataFrame:
    """One row per model seed, test set, direction and k, with the columns of ``SCHEMA``.

    low and high bound the 95 % bootstrap interval over images. chance is what guessing reaches.
    """
    rows = []
    for one in retrievals:
        captions = _captions(one.images)
        for direction in DIRECTIONS:
            for k in RECALLS:
                hits, queries = found_at(one.images, direction, k)
                low, high = recall_interval(hits, queries)
                rows.append(
                    {
                        "training_set": one.training_set,
                        "seed": one.seed,
                        "test_set": one.test_set,
                        "n": len(one.images),
                        "captions": int(captions.sum()),
                        "direction": direction,
                        "k": k,
                        "recall": float(hits.sum() / queries.sum()),
                        "low": low,
                        "high": high,
                        "chance": _chance(captions, direction, k),
                    }
                )
    return pl.DataFrame(rows, schema=SCHEMA)


def _chance(captions: Found, direction: str, k: int) -> float:
    """Return the recall of a random order: for an image, that one of its captions is among k."""
    images, total = len(captions), int(captions.sum())
    if direction == "text_to_image":
        return min(1.0, k / images)
    places = np.arange(min(k, total))
    missed = np.prod(
        np.clip((total - captions[:, None] - places) / (total - places), 0, None), axis=1
    )
    return float(1 - missed.mean())


def shown_matrix(table: pl.DataFrame) -> pl.DataFrame:
    """Training sets x test set and direction, recall at 1, 5 and 10 in percent, for people."""
    cells: dict[str, dict[str, str]] = {}
    keys = ("training_set", "test_set", "direction", "n", "captions")
    for key, group in table.group_by(keys, maintain_order=True):
        name, test_set, direction, n, captions = key
        head = f"{test_set}, {str(direction).replace('_', ' ')} (n = {n:,}; {captions:,} captions)"
        means = group.group_by("k", maintain_order=True).mean()
        texts = [
            f"{percent(row['recall'])} ({percent(row['low'])}\N{EN DASH}{percent(row['high'])})"
            for row in means.iter_rows(named=True)
        ]
        cells.setdefault(str(name), {})[head] = " / ".join(texts)
    heads = list(dict.fromkeys(head for row in cells.values() for head in row))
    columns: dict[str, list[str]] = {"training set": list(cells)}
    for head in heads:
        columns[head] = [row.get(head, "") for row in cells.values()]
    return pl.DataFrame(columns)


def tabulate(*, evaluations: Path, models: list[str], test_sets: list[str], out: Path) -> None:
    """Write the table of retrieval: a CSV row per seed, direction and k; Markdown over seeds.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets with captions, in the order of the table.
        out: Path of the table without suffix.
    """
    table = retrieval_table(read_retrievals(evaluations, models, test_sets))
    write_table(table, out, TABLE.caption, shown=shown_matrix(table))


def needs(results: Results, _: str) -> Needs:
    """Return the retrievals of all CLIP models."""
    models = results.models(results.subsets)
    return Needs(
        inputs=results.evaluated(models, results.retrieved),
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.retrieved,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.retrieved else [],
    place=25,
    caption=(
        "Zero-shot retrieval in percent: recall at 1 / 5 / 10. Image to text: an image of the test "
        "set is found if one of its captions is among the first K of all captions; text to image: "
        "a caption, if its image is. In parentheses the 95 % percentile bootstrap interval over "
        "the n images, whose captions are drawn together; for several seeds, recall and bounds "
        "are averaged over seeds. The CSV beside this table has one row per seed, and what "
        "guessing reaches."
    ),
)
