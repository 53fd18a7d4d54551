"""The audit of a gap-matched subset: what was pruned, by the class that it resembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from tqdm import tqdm

from gapmatch.results.audit_pictures import CLASS, add_pictures, choose_classes
from gapmatch.results.pictures import ImageFiles
from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import write_table
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.search.search_tables import margins_path
from gapmatch.subset.kept_files import kept_path

if TYPE_CHECKING:
    from gapmatch.config.results import Results

COUNTS_SCHEMA = {
    "test_set": pl.String,
    "test_class": pl.String,
    "pool": pl.Int64,
    "pruned": pl.Int64,
    "fraction": pl.Float64,
    "captions": pl.String,
}
SHOWN = 10
"""Classes of each test set that are shown to people; the CSV has all."""
EXAMPLES = 5
"""Pruned samples that are kept of each class: those with the largest margins."""


@dataclass(frozen=True)
class Search:
    """The files of a subset's search.

    Attributes:
        similarity: Folder similarity/<embedder>.
        test_sets: Test sets that the subset was matched to.
        rank: Matched rank.
        kept: Folder of the subset's kept_<chunk>.parquet.
        pool: Folder of that of the subset that keeps the whole pool.
        test_metadata: Metadata of each test set, for the classes of its images.
    """

    similarity: Path
    test_sets: Sequence[str]
    rank: int
    kept: Path
    pool: Path
    test_metadata: Mapping[str, Path]


def nearest_classes(search: Search, chunk: str, classes: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Return what the samples of a chunk of the pool resemble.

    A sample counts for the test set of its largest margin, as in the subset's summary, and for the
    class of its nearest image there.

    Returns:
        row, test_set, test_class, test_row, similarity, margin; a row per sample of the pool.
    """
    parts = []
    columns = ["row", "nearest_similarity", "nearest_test_row", f"margin_rank_{search.rank}"]
    for test_set in search.test_sets:
        path = margins_path(search.similarity / test_set, chunk)
        margins = read_columns(path, columns)
        parts.append(
            margins.select(
                pl.col("row").cast(pl.Int32),
                pl.lit(test_set).alias("test_set"),
                classes[test_set][margins["nearest_test_row"]].alias("test_class"),
                pl.col("nearest_test_row").alias("test_row"),
                pl.col("nearest_similarity").cast(pl.Float64).alias("similarity"),
                pl.col(columns[-1]).cast(pl.Float64).alias("margin"),
            )
        )
    # Of equal margins the test set named first counts, as in the selection.
    largest = pl.concat(parts).sort("margin", descending=True, maintain_order=True)
    in_pool = read_columns(kept_path(search.pool, chunk), ["row"])["row"]
    return (
        largest.unique("row", keep="first", maintain_order=True)
        .filter(pl.col("row").is_in(in_pool.implode()))
        .sort("row")
    )


def audit(search: Search, metadata: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count what was pruned of the pool, by test set and class.

    Args:
        search: The subset's files.
        metadata: metadata_<chunk>.parquet of each chunk of the pool.

    Returns:
        counts: COUNTS_SCHEMA; pool is the number of samples that resemble the class, captions are
            those of the pruned samples with the largest margins. Sorted by test set, then by the
            number pruned.
        examples: row, test_set, test_class, test_row, similarity, margin, chunk, caption of at
            most EXAMPLES pruned samples of each.

    Raises:
        InputError: A file is missing, or a test set has no classes.
    """
    classes = {
        name: read_columns(search.test_metadata[name], ["class_name"])["class_name"]
        for name in search.test_sets
    }
    for name, known in classes.items():
        if known.null_count():
            raise InputError(f"{search.test_metadata[name]}: an image of {name} has no class")
    counted, found = [], []
    for path in tqdm(metadata, unit="chunk", mininterval=5):
        chunk = path.stem.removeprefix("metadata_")
        samples = nearest_classes(search, chunk, classes)
        kept = read_columns(kept_path(search.kept, chunk), ["row"])["row"]
        pruned = ~pl.col("row").is_in(kept.implode())
        counts = samples.group_by(CLASS).agg(pl.len().alias("pool"), pruned.sum().alias("pruned"))
        counted.append(counts.cast({"pool": pl.Int64, "pruned": pl.Int64}))
        of_chunk = _largest_margins(
            samples.filter(pruned).with_columns(pl.lit(chunk).alias("chunk"))
        )
        captions = read_columns(path, ["caption"])[of_chunk["row"]]
        found.append(pl.concat([of_chunk, captions], how="horizontal"))
    examples = _largest_margins(pl.concat(found))
    captions = examples.group_by(CLASS, maintain_order=True).agg(
        pl.col("caption").fill_null("").str.join(" | ").alias("captions")
    )
    counts = (
        pl.concat(counted)
        .group_by(CLASS)
        .agg(pl.col("pool", "pruned").sum())
        .join(captions, on=CLASS, how="left")
        .with_columns(fraction=pl.col("pruned") / pl.col("pool"))
        .sort("test_set", -pl.col("pruned"), "test_class")
        .select(*COUNTS_SCHEMA)
    )
    return counts, examples


def _largest_margins(pruned: pl.DataFrame) -> pl.DataFrame:
    ordered = pruned.sort(-pl.col("margin"), "chunk", "row")
    return ordered.group_by(CLASS, maintain_order=True).head(EXAMPLES)


def tabulate(
    *,
    similarity: Path,
    rank: int,
    kept: Path,
    whole_pool: Path,
    pool_chunks: list[Path],
    pool_metadata: list[Path],
    test_chunks: list[tuple[str, Path]],
    test_metadata: list[tuple[str, Path]],
    classes: int,
    out: Path,
) -> None:
    """Write the audit of a gap-matched subset: what was pruned, per class of the tests.

    Args:
        similarity: Folder similarity/<embedder>.
        rank: Matched rank of the subset.
        kept: Folder of its kept rows.
        whole_pool: That of the subset that keeps all.
        pool_chunks: chunk.json of each chunk of the pool.
        pool_metadata: Metadata of each.
        test_chunks: Test sets that the subset was matched to, and chunk.json of each.
        test_metadata: The same test sets, and the metadata of each.
        classes: Classes to show in pictures.
        out: Path of the table without suffix.
    """
    metadata = dict(test_metadata)
    search = Search(similarity, list(metadata), rank, kept, whole_pool, metadata)
    counts, examples = audit(search, pool_metadata)
    sources = {"pool": ImageFiles(pool_chunks, pool_metadata)}
    sources |= {name: ImageFiles([path], [metadata[name]]) for name, path in test_chunks}
    chosen = choose_classes(counts, examples, classes)
    write_parquet(out.with_name(f"{out.name}.parquet"), add_pictures(chosen, sources))
    shown = counts.group_by("test_set", maintain_order=True).head(SHOWN).drop("captions")
    write_table(counts, out, TABLE.caption, percent_columns=("fraction",), shown=shown)


def audited(results: Results) -> list[str]:
    """Return the subsets of the paper's matching.

    Sweeps of rank and offset differ from it by degree, and training sets without the reference are
    of the same pool.
    """
    return [
        name
        for name in results.as_paper()
        if set(results.study.subset_test_sets(name)) & set(results.classified)
    ]


def needs(results: Results, subset: str) -> Needs:
    """Return the margins, the pool and the test sets of a subset."""
    study = results.study
    tests = [name for name in study.subset_test_sets(subset) if name in results.classified]
    metadata = {name: results.metadata(name)[0] for name in tests}
    return Needs(
        inputs=[
            *results.subset_margins(subset),
            *results.kept_files(subset),
            *results.kept_files(results.baseline),
            *results.data("pool"),
            *results.metadata("pool"),
            *[results.data(name)[0] for name in tests],
            *metadata.values(),
        ],
        arguments={
            "pool_chunks": results.chunk_files("pool"),
            "pool_metadata": results.metadata("pool"),
            "test_chunks": [(name, results.chunk_files(name)[0]) for name in tests],
            "test_metadata": list(metadata.items()),
        },
        settings={
            "similarity": f"{results.root}/similarity/{study.subset_embedder(subset)}",
            "rank": results.gap_matched[subset].rank,
            "kept": results.kept(subset),
            "whole_pool": results.kept(results.baseline),
            "classes": study.figures.examples,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    each="subset",
    items=audited,
    suffixes=("csv", "md", "tex", "json", "parquet"),
    place=80,
    caption=(
        "What gap matching pruned, by the class of the test image that a sample resembles most: "
        "pool is n, the number of samples of the pool (after deduplication) that resemble the "
        "class, pruned how many of them are nearer than matching allows. For each test set the "
        "ten classes that lose most; the CSV has all, with captions of what was pruned. All "
        "samples are counted, so there are no intervals."
    ),
)
