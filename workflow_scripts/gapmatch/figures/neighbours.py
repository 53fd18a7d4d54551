"""Picture grids: test images beside their nearest neighbours in the pool and the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gapmatch.errors import InputError
from gapmatch.figures import style
from gapmatch.result_files import read_columns
from gapmatch.shard_images import read_images, shards_by_chunk

CELL = 1.0  # inches
SIDE = 150  # pixels of a thumbnail: a cell at 150 dpi
TEXT_COLUMNS = ("shard", "image_path", "caption", "class_name")


@dataclass(frozen=True)
class Source:
    """Where the images of a dataset are: its chunk.json and metadata_<chunk>.parquet files."""

    chunks: Sequence[Path]
    metadata: Sequence[Path]

    def look_up(self, places: pl.DataFrame) -> pl.DataFrame:
        """Add shard, image_path, caption and class_name to rows with chunk and row.

        Raises:
            InputError: A chunk's metadata is not among the files, or has no such row.
        """
        files = {path.stem.removeprefix("metadata_"): path for path in self.metadata}
        parts = []
        for chunk in places["chunk"].unique(maintain_order=True).to_list():
            rows = places.filter(pl.col("chunk") == chunk)
            if chunk not in files:
                raise InputError(f"no metadata_{chunk}.parquet among the metadata files named")
            table = read_columns(files[chunk], TEXT_COLUMNS)
            last = max(rows["row"].to_list())
            if last >= table.height:
                raise InputError(f"{files[chunk]}: has no row {last}, only {table.height} rows")
            parts.append(pl.concat([rows, table[rows["row"]]], how="horizontal"))
        return pl.concat(parts) if parts else places

    def read(self, table: pl.DataFrame) -> dict[tuple[str, int], Image.Image]:
        """Thumbnails by (chunk, row) of the rows that ``look_up`` gave."""
        shards = shards_by_chunk(self.chunks)
        images = {}
        for chunk in table["chunk"].unique(maintain_order=True).to_list():
            rows = table.filter(pl.col("chunk") == chunk)
            if chunk not in shards:
                raise InputError(f"no chunk.json of chunk {chunk} among the files named")
            wanted = set(rows.select("shard", "image_path").iter_rows())
            found = read_images(shards[chunk], wanted, SIDE)
            for row in rows.iter_rows(named=True):
                images[chunk, row["row"]] = found[row["shard"], row["image_path"]]
        return images


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
    test_rows: Sequence[int], neighbours: Mapping[str, pl.DataFrame], sources: Mapping[str, Source],
    count: int,
) -> pl.DataFrame:  # fmt: skip
    """What the figure shows: one row per picture.

    Args:
        test_rows: Rows of the test set to show.
        neighbours: pool_neighbours and reference_neighbours by "pool" and "reference".
        sources: "test", "pool" and "reference".
        count: Neighbours to show of each.

    Returns:
        test_row, dataset ("test", "pool", "reference"), rank (0 for the test image), similarity
        (null for the test image), chunk, row, shard, image_path, caption, class_name, nearer
        (a pool image nearer than the reference's nearest: what gap matching prunes).
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
    )


def _named(dataset: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("test_row", pl.lit(dataset).alias("dataset"), pl.exclude("test_row"))


def read_pictures(
    table: pl.DataFrame, sources: Mapping[str, Source]
) -> dict[tuple[str, str, int], Image.Image]:
    """Thumbnails of every row of ``neighbour_table``, by (dataset, chunk, row)."""
    return {
        (dataset, *place): image
        for dataset, source in sources.items()
        for place, image in source.read(table.filter(pl.col("dataset") == dataset)).items()
    }


@style.styled
def draw(
    table: pl.DataFrame,
    pictures: Mapping[tuple[str, str, int], Image.Image],
    title: str,
    credit: str,
) -> Figure:
    """A row of pictures per test image: it, its pool neighbours, its reference neighbours."""
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
        _draw_picture(panel, pictures[row["dataset"], row["chunk"], row["row"]], row)
        if row["test_row"] == rows[0] and row["rank"] <= 1:
            heads = {"test": "test image", "pool": "nearest in the pool"}
            head = heads.get(row["dataset"], "nearest in the reference")
            panel.set_title(head, loc="left", fontsize=9, pad=5)
    figure.text(0.02, 1 - 0.2 / size[1], title, fontsize=11, weight="bold", va="center")
    note = "thick frame: nearer than the nearest reference image, so gap matching prunes it"
    figure.text(0.02, 0.38 / size[1], note, color=style.VERMILLION, fontsize=8)
    figure.text(0.02, 0.15 / size[1], credit, color="#666666", fontsize=7)
    return figure


def _draw_picture(panel: Axes, image: Image.Image, row: Mapping[str, object]) -> None:
    scale = SIDE / max(image.size)
    image = image.resize([max(1, round(scale * length)) for length in image.size])
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    panel.imshow(np.asarray(square), interpolation="nearest")
    panel.grid(visible=False)
    panel.set_xticks([])
    panel.set_yticks([])
    frame = style.VERMILLION if row["nearer"] else "#bbbbbb"
    for spine in panel.spines.values():
        spine.set(visible=True, color=frame, linewidth=2.2 if row["nearer"] else 0.6)
    similarity = row["similarity"]
    text = f"{similarity:.3f}" if isinstance(similarity, float) else str(row["class_name"] or "")
    shortened = text if len(text) <= 17 else f"{text[:16]}\N{HORIZONTAL ELLIPSIS}"
    panel.set_xlabel(shortened, fontsize=8 if row["rank"] else 7, labelpad=2)
