"""Agreement of embedders: subsets that differ in nothing but the embedder, compared."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import spearman
from gapmatch.results.summaries import Subset, read_subsets
from gapmatch.results.table_files import write_table
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.search.search_tables import margins_path
from gapmatch.subset.kept_files import kept_path

if TYPE_CHECKING:
    from gapmatch.config.results import Results
    from gapmatch.config.study import Study

AGREEMENT_SCHEMA = {
    "subset": pl.String,
    "embedder": pl.String,
    "other_subset": pl.String,
    "other_embedder": pl.String,
    "method": pl.String,
    "test_sets": pl.String,
    "pool": pl.Int64,
    "pruned": pl.Int64,
    "other_pruned": pl.Int64,
    "both": pl.Int64,
    "jaccard": pl.Float64,
    "jaccard_by_chance": pl.Float64,
    "similarity_correlation": pl.Float64,
    "margin_correlation": pl.Float64,
}


@dataclass(frozen=True)
class Folders:
    """Where the files of all subsets are.

    Attributes:
        similarity: Folder with one folder per embedder.
        subsets: Folder with one folder per subset.
        whole_pool: Name of the subset that keeps the whole pool.
        chunks: Chunk ids of the pool.
    """

    similarity: Path
    subsets: Path
    whole_pool: str
    chunks: Sequence[str]

    def rows(self, subset: str) -> list[pl.Series]:
        """Return the rows of each chunk that a subset keeps, ascending."""
        folder = self.subsets / subset / "kept"
        return [read_columns(kept_path(folder, chunk), ["row"])["row"] for chunk in self.chunks]


def agreement_table(
    pairs: Sequence[tuple[str, str]], subsets: Sequence[Subset], folders: Folders
) -> pl.DataFrame:
    """Compare subsets of the same definition by different embedders.

    Args:
        pairs: Names of the subsets to compare.
        subsets: Their summaries.
        folders: Their files.

    Returns:
        AGREEMENT_SCHEMA, a row per pair. jaccard is |A and B| / |A or B| of the samples pruned,
        jaccard_by_chance what two independent choices of these sizes have in the mean (of counts);
        null where nothing is pruned. The correlations are Spearman's over the samples of the pool,
        of the similarity to the nearest test image and, for gap matching, of the margin.

    Raises:
        InputError: A file is missing, or the subsets of a pair do not compare.
    """
    known = {subset.subset: subset for subset in subsets}
    pool = folders.rows(folders.whole_pool)
    rows = [_compare(known[one], known[other], pool, folders) for one, other in pairs]
    return pl.DataFrame(rows, schema=AGREEMENT_SCHEMA)


def _compare(
    one: Subset, other: Subset, pool: Sequence[pl.Series], folders: Folders
) -> dict[str, object]:
    for field in ("method", "test_sets", "rank", "offset"):
        if getattr(one, field) != getattr(other, field):
            raise InputError(
                f"{one.subset} and {other.subset} differ in {field}: "
                f"{getattr(one, field)!r} and {getattr(other, field)!r}; expected subsets that "
                "differ in the embedder only; select them again"
            )
    masks = [_pruned(subset, pool, folders) for subset in (one, other)]
    pruned = [int(mask.sum()) for mask in masks]
    both, total = int((masks[0] & masks[1]).sum()), len(masks[0])
    expected = pruned[0] * pruned[1] / max(total, 1)
    correlations = {"similarity_correlation": "nearest_similarity"}
    if one.method == "gap_match":
        correlations["margin_correlation"] = f"margin_rank_{one.rank}"
    row: dict[str, object] = {
        "subset": one.subset,
        "embedder": one.embedder,
        "other_subset": other.subset,
        "other_embedder": other.embedder,
        "method": one.method,
        "test_sets": ", ".join(one.test_sets),
        "pool": total,
        "pruned": pruned[0],
        "other_pruned": pruned[1],
        "both": both,
        "jaccard": _jaccard(both, *pruned),
        "jaccard_by_chance": _jaccard(expected, *pruned),
        "margin_correlation": None,
    }
    for name, column in correlations.items():
        values = [_largest(subset, column, pool, folders) for subset in (one, other)]
        correlation = spearman(*values)
        row[name] = None if np.isnan(correlation) else correlation
    return row


def _jaccard(both: float, one: int, other: int) -> float | None:
    either = one + other - both
    return both / either if either else None


def _pruned(subset: Subset, pool: Sequence[pl.Series], folders: Folders) -> npt.NDArray[np.bool_]:
    """Return which samples of the pool a subset prunes, over all chunks in their order."""
    masks = [
        ~rows.is_in(kept.implode())
        for rows, kept in zip(pool, folders.rows(subset.subset), strict=True)
    ]
    return pl.concat(masks).to_numpy()


def _largest(
    subset: Subset, column: str, pool: Sequence[pl.Series], folders: Folders
) -> npt.NDArray[np.float64]:
    """Return the largest value of a column over the test sets, for all samples of the pool."""
    similarity, parts = folders.similarity / str(subset.embedder), []
    for chunk, rows in zip(folders.chunks, pool, strict=True):
        paths = [margins_path(similarity / test_set, chunk) for test_set in subset.test_sets]
        values = [read_columns(path, [column])[column] for path in paths]
        parts.append(pl.select(pl.max_horizontal(values)).to_series().gather(rows))
    return pl.concat(parts).cast(pl.Float64).to_numpy()


def tabulate(
    *,
    pairs: list[tuple[str, str]],
    summaries: list[Path],
    subsets: Path,
    similarity: Path,
    whole_pool: str,
    chunks: list[str],
    out: Path,
) -> None:
    """Tabulate how far embedders agree on what is pruned: overlap and rank correlation.

    Args:
        pairs: Subsets that differ in nothing but the embedder.
        summaries: summary.json of each of them.
        subsets: Folder of all subsets.
        similarity: Folder of all embedders.
        whole_pool: Name of the subset that keeps the whole pool.
        chunks: Chunk ids of the pool.
        out: Path of the table without suffix.
    """
    folders = Folders(similarity, subsets, whole_pool, chunks)
    write_table(agreement_table(pairs, read_subsets(summaries), folders), out, TABLE.caption)


def same_but_for_the_embedder(study: Study) -> list[tuple[str, str]]:
    """Return the pairs of subsets of one definition that different embedders select."""
    alike: dict[tuple[object, ...], dict[str, str]] = {}
    for name, subset in study.subsets.items():
        if tests := study.subset_test_sets(name):
            fields = subset.model_dump(exclude={"embedder", "test_sets"})
            definition = (*fields.items(), *tests)
            alike.setdefault(definition, {})[study.subset_embedder(name)] = name
    return [
        pair
        for by_embedder in alike.values()
        for pair in itertools.combinations(by_embedder.values(), 2)
    ]


def needs(results: Results, _: str) -> Needs:
    """Return the margins and kept rows of the subsets to compare."""
    pairs = same_but_for_the_embedder(results.study)
    compared = list(dict.fromkeys(itertools.chain(*pairs)))
    summaries = [results.summary(name) for name in compared]
    return Needs(
        inputs=[
            *summaries,
            *[path for name in compared for path in results.subset_margins(name)],
            *[path for name in compared for path in results.kept_files(name)],
            *results.kept_files(results.baseline),
        ],
        arguments={"pairs": pairs, "summaries": summaries},
        settings={
            "subsets": f"{results.root}/subsets",
            "similarity": f"{results.root}/similarity",
            "whole_pool": results.baseline,
            "chunks": results.pool_chunks,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if same_but_for_the_embedder(results.study) else [],
    place=70,
    caption=(
        "How far embedders agree: subsets of the same definition, selected by the similarity of "
        "two embedders. Of the n samples of the pool (after deduplication), how many each prunes "
        "and how many both do; the overlap of the pruned (Jaccard index, 1 is the same choice) "
        "beside that of two independent choices of the same sizes; and Spearman's correlation "
        "over the pool of the similarity to the nearest test image, and for gap matching of the "
        "margin over the reference. All samples are counted, so there are no intervals."
    ),
)
