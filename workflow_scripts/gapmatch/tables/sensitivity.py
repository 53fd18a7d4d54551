"""How much gap matching prunes depends on what the reference holds: the same with less of it.

The reference of a test set holds images of the tests' classes and of other classes. With fewer of
the others, test images that resemble none of their own class's reference images (drawings, where
the reference has photos) find no near neighbour in it: their thresholds fall, and more is pruned.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import Float64, Stored
from gapmatch.similarity.engine import Engine, PoolMargins, find_neighbours


def class_counts(total: int) -> list[int]:
    """Return the numbers of other classes to try: none, an eighth, a quarter, half, all."""
    return sorted({0, total // 8, total // 4, total // 2, total})


def nested_classes(classes: Sequence[str], seed: int) -> list[str]:
    """Return the classes in a seeded order; the first n of them are the choice of size n."""
    order = np.random.default_rng(seed).permutation(len(classes))
    return [sorted(classes)[index] for index in order]


def reduced_thresholds(
    engine: Engine,
    tests: Stored,
    reference: Sequence[Stored],
    kept: Sequence[Sequence[npt.NDArray[np.int64]]],
) -> Float64:
    """Return s_i of the tests in parts of the reference.

    Args:
        engine: Search engine.
        tests: (n, dim) as stored.
        reference: Per chunk (rows, dim) as stored.
        kept: Per part and chunk the rows of the reference that the part holds.

    Returns:
        (parts, n), float64: the similarity of each test image's nearest neighbour in each part.
    """
    return np.stack(
        [
            np.max(
                [
                    find_neighbours(engine, tests, chunk[rows], 1).similarity[:, 0]
                    for chunk, rows in zip(reference, part, strict=True)
                    if len(rows)
                ],
                axis=0,
            )
            for part in kept
        ]
    )


def count_by_threshold(
    margins: PoolMargins, metadata: pl.DataFrame, kept: npt.NDArray[np.int32], tested: set[str]
) -> pl.DataFrame:
    """Count what each threshold prunes of a chunk, by style and by class in or out of the tests.

    Args:
        margins: Of the chunk, one row of margins per part of the reference.
        metadata: Of the chunk, row by row: class_name and style are read.
        kept: Rows of the chunk that take part (those that deduplication left).
        tested: Names of the tests' classes.

    Returns:
        Columns part, style, test_class (bool), pool, pruned.
    """
    groups = metadata.select("style", test_class=pl.col("class_name").is_in(list(tested)))[kept]
    frames = [
        groups.with_columns(pruned=pl.Series(row[kept] > 0), part=pl.lit(part, pl.Int32))
        for part, row in enumerate(margins.margins)
    ]
    return (
        pl.concat(frames)
        .group_by("part", "style", "test_class")
        .agg(pool=pl.len().cast(pl.Int64), pruned=pl.col("pruned").sum().cast(pl.Int64))
        .sort("part", "style", "test_class")
    )
