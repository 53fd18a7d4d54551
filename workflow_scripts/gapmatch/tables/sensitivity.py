"""How much gap matching prunes depends on what the reference holds: the same with less of it.

The reference of a test set holds images of the tests' classes and of other classes. With fewer of
the others, test images that resemble none of their own class's reference images (drawings, where
the reference has photos) find no near neighbour in it: their thresholds fall, and more is pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import (
    Float64,
    Stored,
    embedded_chunks,
    open_chunks,
    open_embeddings,
)
from gapmatch.results.shown import Needs, Table
from gapmatch.running.atomic import write_text
from gapmatch.running.result_files import read_columns
from gapmatch.similarity.engine import (
    Engine,
    PoolMargins,
    TestVectors,
    find_margins,
    find_neighbours,
)
from gapmatch.similarity.engines import EngineSettings
from gapmatch.subset.kept_files import kept_path
from gapmatch.tables.pruned import SENSITIVITY_SCHEMA

if TYPE_CHECKING:
    from gapmatch.config.results import Results


def class_counts(total: int, alone: bool) -> list[int]:
    """Return the numbers of other classes to try: none, an eighth, a quarter, half, all.

    Args:
        total: Number of other classes.
        alone: Whether the reference holds no other than these: then one at least is left.
    """
    return sorted({max(int(alone), total // part) for part in (total + 1, 8, 4, 2, 1)})


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


def tabulate(
    *,
    tests: Path,
    test_metadata: Path,
    reference: Path,
    reference_chunks: list[str],
    pool: Path,
    pool_chunks: list[str],
    kept: Path,
    seed: int = 0,
    engine: EngineSettings,
    out: Path,
) -> None:
    """Count how much gap matching would prune with fewer other classes in the reference.

    Args:
        tests: Embeddings of the test set.
        test_metadata: Its metadata.
        reference: Folder of embeddings.
        reference_chunks: Chunk ids.
        pool: Folder of embeddings.
        pool_chunks: Chunk ids.
        kept: Folder of the kept rows of the subset that keeps the whole pool.
        seed: Seed of the order of classes.
        engine: How to search.
        out: Path of the table without suffix.
    """
    search = engine.make()
    vectors = open_embeddings(tests)
    tested = set(read_columns(test_metadata, ["class_name"])["class_name"].drop_nulls())
    chunks = embedded_chunks(reference, reference_chunks)
    names = [read_columns(chunk.metadata, ["class_name"])["class_name"] for chunk in chunks]
    referenced = set(pl.concat(names))
    others = nested_classes(sorted(referenced - tested), seed)
    counts = class_counts(len(others), alone=not referenced & tested)
    parts = [
        [np.flatnonzero(name.is_in([*tested, *others[:count]]).to_numpy()) for name in names]
        for count in counts
    ]
    thresholds = reduced_thresholds(search, vectors, open_chunks(chunks), parts)
    frames = []
    for chunk in embedded_chunks(pool, pool_chunks):
        margins = find_margins(
            search, open_embeddings(chunk.embeddings), TestVectors(vectors, thresholds)
        )
        rows = read_columns(kept_path(kept, chunk.chunk), ["row"])["row"].to_numpy()
        metadata = read_columns(chunk.metadata, ["style", "class_name"])
        frames.append(count_by_threshold(margins, metadata, rows, tested))
    classes = pl.DataFrame({"part": range(len(counts)), "classes": counts}).cast(pl.Int32)
    frame = (
        pl.concat(frames)
        .group_by("part", "style", "test_class")
        .agg(pl.col("pool", "pruned").sum())
        .join(classes, on="part")
        .with_columns(fraction=pl.col("pruned") / pl.col("pool"))
        .sort("classes", "style", "test_class")
        .select(*SENSITIVITY_SCHEMA)
    )
    write_text(out.with_name(f"{out.name}.csv"), frame.write_csv())


def needs(results: Results, test_set: str) -> Needs:
    """Return the embeddings of a test set, the reference and the pool."""
    tests, embedder = results.embeddings(results.embedder, test_set), results.embedder
    return Needs(
        inputs=[
            *tests,
            *results.embeddings(embedder, "reference"),
            *results.embeddings(embedder, "pool"),
            *results.kept_files(results.baseline),
        ],
        arguments={"tests": tests[0], "test_metadata": tests[1]},
        settings={
            "reference": results.embedded(embedder, "reference"),
            "reference_chunks": results.reference_chunks,
            "pool": results.embedded(embedder, "pool"),
            "pool_chunks": results.pool_chunks,
            "kept": results.kept(results.baseline),
            "seed": results.study.figures.seed,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    each="test_set",
    items=lambda results: results.matched_alone(),
    suffixes=("csv",),
    environment="search",
    searches=True,
)
