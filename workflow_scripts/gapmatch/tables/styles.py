"""The table of styles: how well the style classifier does, and what it finds in the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.data.embedding_files import require_rows
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import proportion_interval
from gapmatch.results.table_files import percent, write_table
from gapmatch.running.result_files import read_columns, read_object

if TYPE_CHECKING:
    from gapmatch.config.results import Results

HELD_OUT, POOL = "held out", "pool"
SCHEMA = {
    "images": pl.String,
    "style": pl.String,
    "n": pl.Int64,
    "assigned": pl.Int64,
    "right": pl.Int64,
    "precision": pl.Float64,
    "precision_low": pl.Float64,
    "precision_high": pl.Float64,
    "recall": pl.Float64,
    "recall_low": pl.Float64,
    "recall_high": pl.Float64,
}
Confusion = Mapping[tuple[str | None, str | None], int]
"""Images by their style (None: not known) and the one that they were assigned (None: none)."""


def style_rows(images: str, confusion: Confusion, styles: list[str]) -> pl.DataFrame:
    """One row per style, with the columns of ``SCHEMA``.

    n are the images of the style, assigned those that the classifier gives it, right the images
    that are both. Where no style is known, only assigned is.

    Args:
        images: Which images: held out, or the pool.
        confusion: Their numbers.
        styles: The styles, in the order of the table.
    """
    told = any(style is not None for style, _ in confusion)
    rows = []
    for name in styles:
        n = sum(number for (style, _), number in confusion.items() if style == name)
        right = confusion.get((name, name), 0)
        known = sum(
            number
            for (style, assigned), number in confusion.items()
            if assigned == name and style is not None
        )
        rows.append(
            {
                "images": images,
                "style": name,
                "n": n if told else None,
                "assigned": sum(
                    number for (_, assigned), number in confusion.items() if assigned == name
                ),
                "right": right if told else None,
                **(_rate("precision", right, known) | _rate("recall", right, n) if told else {}),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def _rate(name: str, right: int, n: int) -> dict[str, float | None]:
    if not n:
        return {name: None}
    low, high = proportion_interval(right, n)
    return {name: right / n, f"{name}_low": low, f"{name}_high": high}


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table for people: percent with intervals."""

    def rate(row: Mapping[str, float | None], name: str) -> str:
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if value is None or low is None or high is None:
            return ""
        return f"{percent(value)} ({percent(low)}\N{EN DASH}{percent(high)})"

    return pl.DataFrame(
        [
            {
                "images": row["images"],
                "style": row["style"],
                "n": "" if row["n"] is None else f"{row['n']:,}",
                "assigned": f"{row['assigned']:,}",
                "precision": rate(row, "precision"),
                "recall": rate(row, "recall"),
            }
            for row in table.iter_rows(named=True)
        ]
    )


def pool_confusion(
    styles: list[Path], metadata: list[Path]
) -> Counter[tuple[str | None, str | None]]:
    """Count the pool's samples by their style and the one that they were assigned.

    Args:
        styles: styles_<chunk>.parquet of each chunk.
        metadata: The metadata of each chunk, in the same order.
    """
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for assigned, told in zip(styles, metadata, strict=True):
        both, known = read_columns(assigned, ["style"]), read_columns(told, ["style"])
        require_rows(assigned, len(both), len(known))
        both = both.rename({"style": "assigned"}).hstack(known)
        for style, name, number in both.group_by("style", "assigned").len().iter_rows():
            counts[style, name] += number
    return counts


def tabulate(*, learned: Path, styles: list[Path], metadata: list[Path], out: Path) -> None:
    """Write how well the style classifier does, and what it finds in the pool.

    Args:
        learned: learned.json of the classifier.
        styles: styles_<chunk>.parquet of each pool chunk.
        metadata: Metadata of each pool chunk, in the same order.
        out: Path of the table without suffix.
    """
    found = read_object(learned, ["styles", "confusion"])
    unseen = {(row["style"], row["assigned"]): row["n"] for row in found["confusion"]}
    table = pl.concat(
        [
            style_rows(HELD_OUT, unseen, found["styles"]),
            style_rows(POOL, pool_confusion(styles, metadata), found["styles"]),
        ]
    )
    write_table(table, out, TABLE.caption, shown=shown(table))


def needs(results: Results, _: str) -> Needs:
    """Return what the classifier learned, and the styles of the pool."""
    files = {"styles": results.all_styles(), "metadata": results.metadata("pool")}
    return Needs(
        inputs=[results.learned_styles, *files["styles"], *files["metadata"]],
        arguments={"learned": results.learned_styles, **files},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.study.styles else [],
    place=44,
    early=True,
    caption=(
        "The style classifier. Held out: examples it was not trained on, of other classes where "
        "classes are known. Pool: all samples, with those it was trained on; where their style is "
        "not known, only the number assigned is given. n: images of the style. Precision: share of "
        "the images assigned to the style that belong to it. Recall: share of the style's images "
        "that are assigned to it. Both in percent, with the 95 % percentile bootstrap interval "
        "over images. Images below the threshold of probability are assigned to none."
    ),
)
