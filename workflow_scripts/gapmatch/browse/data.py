"""What the page tells of pictures: similarities, which subsets prune them, what models answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2.utils import htmlsafe_json_dumps

from gapmatch.data.chunks import read_chunk
from gapmatch.evaluate import metrics
from gapmatch.results.evaluations import Evaluation, evaluations_of
from gapmatch.running.atomic import write_text
from gapmatch.running.result_files import read_columns
from gapmatch.subset.kept_files import kept_path
from gapmatch.tables.neighbours import SCHEMA

LETTERS = 300
"""Of a caption that are shown."""


def kept_by(places: pl.DataFrame, subsets: Path, names: Sequence[str]) -> list[str]:
    """Return (places,): for each sample a digit per subset, 1 where that keeps it.

    Args:
        places: chunk and row of samples of the pool.
        subsets: Folder of all subsets.
        names: Their names.
    """
    numbered = places.with_row_index("place")
    digits = [["0"] * len(names) for _ in range(len(places))]
    for (chunk,), rows in numbered.group_by("chunk", maintain_order=True):
        for column, name in enumerate(names):
            kept = read_columns(kept_path(subsets / name / "kept", str(chunk)), ["row"])["row"]
            for place in rows.filter(pl.col("row").is_in(kept.implode()))["place"]:
                digits[place][column] = "1"
    return ["".join(one) for one in digits]


def answers(images: pl.DataFrame) -> pl.DataFrame:
    """Return what a model answers: test_row, right, predicted (a label).

    Of images with several classes it is the likeliest of all, right if the image shows it; of
    images with captions the answer is right if the caption ranked first is one of the image's
    own, and there is no label.

    Args:
        images: ``Evaluation.images``.
    """
    if metrics.has_captions(images):
        right, predicted = pl.col("caption_rank") == 1, pl.lit(None, pl.Int32)
    elif metrics.is_multilabel(images):
        predicted = pl.col("scores").list.arg_max().cast(pl.Int32)
        right = pl.col("labels").list.contains(predicted)
    else:
        right, predicted = pl.col("correct_top1"), pl.col("predicted")
    return images.select("test_row", right.alias("right"), predicted.alias("predicted"))


def with_answers(items: Mapping[int, dict[str, Any]], evaluations: Sequence[Evaluation]) -> None:
    """Add to items what each model answers.

    ``right`` has a digit per model, 1 if it is right, or - if it did not see the image;
    ``predicted`` a label per model or null.

    Args:
        items: By test row.
        evaluations: One per model.
    """
    for item in items.values():
        item["right"], item["predicted"] = "", []
    for model in evaluations:
        found = answers(model.images.filter(pl.col("test_row").is_in(list(items))))
        told = {row: (right, label) for row, right, label in found.iter_rows()}
        for row, item in items.items():
            right, label = told.get(row, (None, None))
            item["right"] += "-" if right is None else str(int(right))
            item["predicted"].append(label)


def neighbours_of(
    table: pl.DataFrame, thresholds: pl.DataFrame, ranks: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return what is known of each test image and its neighbours, by test row, in their order.

    Args:
        table: The pictures, with ``kept`` of those of the pool, empty for duplicates.
        thresholds: test_row, rank, similarity: the nearest reference images.
        ranks: Those that subsets are matched at, ascending.
    """
    at_rank = {
        (test_row, rank): similarity
        for test_row, rank, similarity in thresholds.select(
            "test_row", "rank", "similarity"
        ).iter_rows()
    }
    items: dict[int, dict[str, Any]] = {}
    for row in table.iter_rows(named=True):
        told = {
            "caption": (row["caption"] or "")[:LETTERS],
            "class": row["class_name"],
            "chunk": row["chunk"],
            "row": row["row"],
            "key": row["image_path"],
        }
        test_row = row["test_row"]
        if row["dataset"] == "test":
            values = [at_rank.get((test_row, rank)) for rank in ranks]
            items[test_row] = {**told, "thresholds": values, "pool": [], "reference": []}
            continue
        told["similarity"] = round(row["similarity"], 6)
        if row["kept"]:
            told["kept"] = row["kept"]
        elif row["dataset"] == "pool":
            told["duplicate"] = True
        items[test_row][row["dataset"]].append(told)
    return items


def browse_data(
    *,
    pictures: Path,
    chunk: Path,
    reference_neighbours: Path,
    ranks: list[int],
    subsets: Path,
    subset_names: list[str],
    baseline: str,
    evaluations: Path,
    models: list[str],
    test_set: str,
    out: Path,
) -> None:
    """Write what the page tells of a test set, as a script that hands it over.

    Args:
        pictures: Table of the pictures.
        chunk: chunk.json of the test set.
        reference_neighbours: Nearest reference images of each test image.
        ranks: Those that subsets are matched at, ascending.
        subsets: Folder of all subsets.
        subset_names: Their names.
        baseline: The one that keeps the whole pool.
        evaluations: Folder of all evaluations.
        models: Folders below it, such as baseline/seed0.
        test_set: Name of the test set.
        out: Script to write (.js).
    """
    table = read_columns(pictures, list(SCHEMA))
    pool = table.filter(dataset="pool").select("dataset", "test_row", "rank", "chunk", "row")
    # The baseline keeps everything but duplicates, which no subset could choose.
    whole = subset_names.index(baseline)
    kept = [one if one[whole] == "1" else "" for one in kept_by(pool, subsets, subset_names)]
    known = pool.drop("chunk", "row").with_columns(pl.Series("kept", kept, dtype=pl.String))
    table = table.join(known, on=["dataset", "test_row", "rank"], how="left", maintain_order="left")
    shown = table.filter(dataset="test")["test_row"].to_list()
    nearest = read_columns(reference_neighbours, ["test_row", "rank", "similarity"]).filter(
        pl.col("test_row").is_in(shown), pl.col("rank").is_in(ranks)
    )
    items = neighbours_of(table, nearest, ranks)
    found = evaluations_of(evaluations, models, [test_set])
    with_answers(items, found)
    told = {
        "test_set": test_set,
        "images": table["test_images"][0] if len(table) else 0,
        "classes": read_chunk(chunk.parent).classes,
        "subsets": subset_names,
        "models": [{"training_set": one.training_set, "seed": one.seed} for one in found],
        "items": list(items.values()),
    }
    # Browsers let a page opened from disk load a file as a script, but not read it. Names and
    # captions stand in it as JSON without <, > and &.
    write_text(out, f"receive({htmlsafe_json_dumps(told, separators=(',', ':'))});\n")
