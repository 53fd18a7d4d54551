"""Picture grids: test images beside their nearest neighbours in the pool and the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gapmatch.figures import style
from gapmatch.tables.pictures import PICTURE, Source, decode_picture

CELL = 1.0  # inches
SCHEMA = {
    "test_row": pl.Int32,
    "dataset": pl.String,
    "rank": pl.Int32,
    "similarity": pl.Float64,
    "chunk": pl.String,
    "row": pl.Int32,
    "shard": pl.String,
    "image_path": pl.String,
    "caption": pl.String,
    "class_name": pl.String,
    "nearer": pl.Boolean,
    "test_images": pl.Int64,
}


def choose_images(labels: pl.Series, count: int, seed: int) -> list[int]:
    """Choose test rows, as many different classes as possible; ascending.

    Args:
        labels: (test images,) class of each row; null where unknown.
        count: How many; fewer come back when there are fewer images.
        seed: Seed of the choice.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    classes = labels.to_list()
    seen: dict[object, int] = {}
    rounds = []
    for row in shuffled:  # the k-th image of a class comes in round k
        seen[classes[row]] = seen.get(classes[row], -1) + 1
        rounds.append(seen[classes[row]])
    order = np.argsort(rounds, kind="stable")
    return sorted(int(row) for row in shuffled[order[:count]])


def neighbour_table(
    test_rows: Sequence[int],
    test_images: int,
    neighbours: Mapping[str, pl.DataFrame],
    sources: Mapping[str, Source],
    count: int,
) -> pl.DataFrame:
    """What the figure shows: one row per picture.

    Args:
        test_rows: Rows of the test set to show.
        test_images: How many the test set has.
        neighbours: pool_neighbours and reference_neighbours by "pool" and "reference".
        sources: "test", "pool" and "reference".
        count: Neighbours to show of each.

    Returns:
        SCHEMA: dataset is test, pool or reference; rank is 0 and similarity null for the test
        image; nearer is a pool image nearer than the reference's nearest: what gap matching prunes.
    """
    tests = pl.DataFrame(
        {"test_row": test_rows, "rank": 0, "similarity": None, "chunk": "00000", "row": test_rows},
        schema={
            "test_row": pl.Int32, "rank": pl.Int32, "similarity": pl.Float64, "chunk": pl.String,
            "row": pl.Int32,
        },
    )  # fmt: skip
    parts = [_named("test", sources["test"].look_up(tests))]
    for dataset, table in neighbours.items():
        chosen = table.filter(pl.col("test_row").is_in(test_rows), pl.col("rank") <= count)
        rows = sources[dataset].look_up(chosen.select(tests.columns))
        parts.append(_named(dataset, rows))
    threshold = neighbours["reference"].filter(pl.col("rank") == 1)
    limit = threshold.select("test_row", pl.col("similarity").alias("limit"))
    order = pl.col("dataset").cast(pl.Enum(["test", "pool", "reference"]))
    nearer = (pl.col("dataset") == "pool") & (pl.col("similarity") > pl.col("limit"))
    return (
        pl.concat(parts)
        .join(limit, on="test_row", how="left", maintain_order="left")
        .with_columns(nearer.fill_null(False).alias("nearer"))
        .drop("limit")
        .sort("test_row", order, "rank")
        .with_columns(pl.lit(test_images, pl.Int64).alias("test_images"))
        .select(*SCHEMA)
    )


def _named(dataset: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("test_row", pl.lit(dataset).alias("dataset"), pl.exclude("test_row"))


@style.styled
def draw(table: pl.DataFrame, title: str, credit: str) -> Figure:
    """A row of pictures per test image: it, its pool neighbours, its reference neighbours.

    Args:
        table: SCHEMA and the column ``pictures.PICTURE``.
        title: Line above.
        credit: Line below.
    """
    rows = table["test_row"].unique(maintain_order=True).to_list()
    ranks = {
        dataset: max(table.filter(pl.col("dataset") == dataset)["rank"].to_list(), default=0)
        for dataset in ("pool", "reference")
    }
    widths = [1, 0.25, *[1] * ranks["pool"], 0.25, *[1] * ranks["reference"]]
    first = {"test": 0, "pool": 2, "reference": 3 + ranks["pool"]}
    margin = 0.65  # inches above for titles, below for the legend and the credit
    size = (max(CELL * sum(widths), 4.5), 1.22 * CELL * len(rows) + 2 * margin)
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    spec = figure.add_gridspec(
        max(len(rows), 1), len(widths), width_ratios=widths, hspace=0.32, wspace=0.06,
        left=0.02, right=0.98, top=1 - margin / size[1], bottom=margin / size[1],
    )  # fmt: skip
    for row in table.iter_rows(named=True):
        column = first[row["dataset"]] + max(row["rank"] - 1, 0)
        panel = figure.add_subplot(spec[rows.index(row["test_row"]), column])
        _draw_picture(panel, row)
        if row["test_row"] == rows[0] and row["rank"] <= 1:
            heads = {"test": "test image", "pool": "nearest in the pool"}
            head = heads.get(row["dataset"], "nearest in the reference")
            panel.set_title(head, loc="left", fontsize=9, pad=5)
    figure.text(0.02, 1 - 0.2 / size[1], title, fontsize=11, weight="bold", va="center")
    note = "thick frame: nearer than the nearest reference image, so gap matching prunes it"
    figure.text(0.02, 0.38 / size[1], note, color=style.VERMILLION, fontsize=8)
    figure.text(0.02, 0.15 / size[1], credit, color="#666666", fontsize=7)
    return figure


def _draw_picture(panel: Axes, row: Mapping[str, Any]) -> None:
    similarity = row["similarity"]
    style.draw_picture(
        panel,
        decode_picture(row[PICTURE]),
        text=str(row["class_name"] or "") if similarity is None else f"{similarity:.3f}",
        marked=row["nearer"],
        size=8 if row["rank"] else 7,
    )
