"""Choosing trials: which test images, with which neighbours at their sides, in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

MAIN, REPEATED, OBVIOUS = "main", "repeated", "obvious"
POOL, REFERENCE, TEST = "pool", "reference", "test"
OBVIOUS_TRIALS = 12
REPEATED_SHARE = 0.1
TRIALS_SCHEMA = {
    "trial": pl.String,
    "kind": pl.String,
    "repeats": pl.String,
    "test_set": pl.String,
    "test_row": pl.Int32,
    "pool_chunk": pl.String,
    "pool_row": pl.Int32,
    "reference_chunk": pl.String,
    "reference_row": pl.Int32,
    "left": pl.String,
    "pool_similarity": pl.Float64,
    "reference_similarity": pl.Float64,
}
NEIGHBOURS = [
    "test_row", "pool_chunk", "pool_row", "reference_chunk", "reference_row",
    "pool_similarity", "reference_similarity",
]  # fmt: skip


def even_shares(total: int, available: Sequence[int]) -> list[int]:
    """Split a number as evenly as what there is of each part allows.

    Args:
        total: The number; less is given where there is less in all.
        available: What there is of each part. Where one has too little, the others give more.
    """
    shares = [0] * len(available)
    left = min(total, sum(available))
    while left:
        wanting = [place for place, most in enumerate(available) if shares[place] < most]
        each = max(left // len(wanting), 1)
        for place in wanting:
            more = min(each, available[place] - shares[place], left)
            shares[place] += more
            left -= more
    return shares


def choose_rows(
    difference: NDArray[np.float64], wanted: int, generator: np.random.Generator
) -> list[int]:
    """Choose test images: half with a nearer pool image, of each half evenly over its size.

    The images of a half, sorted by the size of their difference, are cut into as many groups of
    equal size as images are wanted; one is drawn from each.

    Args:
        difference: (test images,), similarity of the nearest pool image minus that of the nearest
            reference image.
        wanted: How many; fewer come back when there are fewer images.
        generator: Draws.

    Returns:
        Their places: those with a difference above 0 first, each half by ascending size.
    """
    halves = [np.flatnonzero(difference > 0), np.flatnonzero(difference <= 0)]
    chosen: list[int] = []
    for places, share in zip(halves, even_shares(wanted, [*map(len, halves)]), strict=True):
        ordered = places[np.argsort(np.abs(difference[places]), kind="stable")]
        groups = np.array_split(ordered, share) if share else []
        chosen += [int(generator.choice(group)) for group in groups]
    return chosen


def choose_main(neighbours: Mapping[str, pl.DataFrame], wanted: int, seed: int) -> pl.DataFrame:
    """Choose the main trials, as evenly over test sets as they have images.

    Args:
        neighbours: By test set, a row for each test image with the columns ``NEIGHBOURS``.
        wanted: Trials of all test sets.
        seed: Of the choice.

    Returns:
        ``NEIGHBOURS`` and test_set; the test sets by name.
    """
    names = sorted(neighbours)
    parts = []
    for name, share in zip(
        names, even_shares(wanted, [neighbours[name].height for name in names]), strict=True
    ):
        generator = np.random.default_rng([seed, *name.encode()])
        table = neighbours[name].sort("test_row")
        difference = (table["pool_similarity"] - table["reference_similarity"]).to_numpy()
        rows = choose_rows(difference, share, generator)
        parts.append(table[rows].select(*NEIGHBOURS, pl.lit(name).alias("test_set")))
    return pl.concat(parts)


def balanced_sides(count: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return (count,) random sides: of each two that follow each other, one is True."""
    first = generator.random(-(-count // 2)) < 0.5
    return np.stack([first, ~first], axis=1).ravel()[:count]


def cycle(
    main: int, others: int, repeated: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Order trials on a cycle, with some of the main ones again half a cycle away.

    Raters begin anywhere on it, so that no trial is early for all of them.

    Args:
        main: Main trials: numbers 0 to main - 1.
        others: Further trials, with the numbers behind them.
        repeated: How many of the main trials come again; at most ``main``.
        generator: Draws.

    Returns:
        (trials,) their numbers in order, and whether each is a repetition.
    """
    length = main + others + repeated
    again = generator.choice(main, repeated, replace=False)
    places = generator.choice(length // 2, repeated, replace=False)
    order = np.full(length, -1, dtype=np.int64)
    order[places] = again
    order[places + length // 2] = again
    order[order < 0] = generator.permutation(np.setdiff1d(np.arange(main + others), again))
    repetition = np.zeros(length, dtype=np.bool_)
    repetition[places + length // 2] = True
    return order, repetition


def arrange(study: str, main: pl.DataFrame, obvious: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Put trials in order, choose their sides, repeat some, and name them.

    Args:
        study: Name of the study.
        main: As ``choose_main`` returns.
        obvious: The same columns, without pool image.
        seed: Of order and sides.

    Returns:
        ``TRIALS_SCHEMA``, in the order of the cycle. A name begins with a digest of all trials.
    """
    generator = np.random.default_rng(seed)
    sides = [balanced_sides(table.height, generator) for table in (main, obvious)]
    kinds = [(MAIN, POOL), (OBVIOUS, TEST)]
    trials = pl.concat(
        table.with_columns(
            pl.lit(kind).alias("kind"),
            pl.Series("left", np.where(left, own, REFERENCE), dtype=pl.String),
        )
        for table, left, (kind, own) in zip((main, obvious), sides, kinds, strict=True)
    )
    repeated = round(REPEATED_SHARE * main.height)
    order, repetition = cycle(main.height, obvious.height, repeated, generator)
    swapped = pl.when(pl.col("left") == POOL).then(pl.lit(REFERENCE)).otherwise(pl.lit(POOL))
    again = pl.Series("again", repetition)
    ordered = trials[order].with_columns(again, pl.Series("number", order)).with_columns(
        pl.when("again").then(swapped).otherwise("left").alias("left"),
        pl.when("again").then(pl.lit(REPEATED)).otherwise("kind").alias("kind"),
    )  # fmt: skip
    prefix = digest(study, ordered)
    named = ordered.with_columns(
        pl.Series("trial", [f"{prefix}-{place:04d}" for place in range(ordered.height)])
    )
    first = named.filter(~pl.col("again")).select("number", pl.col("trial").alias("repeats"))
    return (
        named.join(first, on="number", how="left", maintain_order="left")
        .with_columns(pl.when("again").then("repeats").alias("repeats"))
        .select(pl.col(name).cast(kind) for name, kind in TRIALS_SCHEMA.items())
    )


def digest(study: str, trials: pl.DataFrame) -> str:
    """Return what tells a set of trials from others: of its images, sides and order.

    Similarities are left out: other hardware may round them differently.
    """
    columns = [name for name in TRIALS_SCHEMA if name in trials.columns]
    shown = trials.select(name for name in columns if not name.endswith("similarity"))
    return hashlib.sha256(f"{study}\n{shown.write_csv()}".encode()).hexdigest()[:12]
