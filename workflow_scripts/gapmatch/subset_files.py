"""Selecting a subset from the files of the search, and the files of a subset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.duplicate_files import read_not_duplicates, require_rows
from gapmatch.embedding_files import EmbeddedChunk, Float32, open_embeddings
from gapmatch.errors import InputError
from gapmatch.similarity.tables import margin_column, read_table, write_table
from gapmatch.subsets import (
    Mask,
    select_all,
    select_far,
    select_gap_match,
    select_near,
    select_none,
    select_random,
)

METHODS = ("all", "none", "gap_match", "near", "far", "random")


@dataclass(frozen=True)
class Pool:
    """The samples to choose from: every embedded one, without the duplicates.

    Attributes:
        chunks: The chunks, ascending.
        rows: For each chunk the rows that are not duplicates, ascending, int32.
        embedded: Number of embedded samples, duplicates included.
    """

    chunks: Sequence[EmbeddedChunk]
    rows: Sequence[npt.NDArray[np.int32]]
    embedded: int

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows)


@dataclass(frozen=True)
class Selection:
    """A subset of a pool.

    Attributes:
        kept: (pool,), bool, in the order of (chunk, row).
        pruned_by: Reason and number of the samples that were pruned; the numbers add up.
    """

    kept: Mask
    pruned_by: dict[str, int]


def read_pool(chunks: Sequence[EmbeddedChunk], duplicates: Path | None) -> Pool:
    """Read which samples there are to choose from.

    Args:
        chunks: The chunks, ascending.
        duplicates: Folder of duplicates_<chunk>.parquet; None keeps every sample.

    Raises:
        InputError: A file is missing or belongs to other embeddings.
    """
    rows, embedded = [], 0
    for files in chunks:
        count = len(open_embeddings(files.embeddings))
        embedded += count
        kept = select_all(count)
        if duplicates is not None:
            kept = read_not_duplicates(duplicates, files.chunk, count)
        rows.append(np.flatnonzero(kept).astype(np.int32))
    return Pool(chunks, rows, embedded)


def margins_path(similarity: Path, test_set: str, chunk: str) -> Path:
    """Return the path of a chunk's margins below similarity/<embedder>/."""
    return similarity / test_set / "margins" / f"margins_{chunk}.parquet"


def kept_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's kept samples."""
    return folder / f"kept_{chunk}.parquet"


def largest_over_test_sets(
    pool: Pool, similarity: Path, test_sets: Sequence[str], column: str
) -> tuple[Float32, npt.NDArray[np.int16]]:
    """Return the largest value of a margins column over the test sets, for every pool sample.

    Returns:
        largest: (pool,), float32.
        test_set: (pool,), int16: which test set has it, the first named among equal ones.

    Raises:
        InputError: A file is missing, lacks the column, or belongs to other embeddings.
    """
    largest = np.full(len(pool), -np.inf, np.float32)
    winner = np.zeros(len(pool), np.int16)
    start = 0
    for files, rows in zip(pool.chunks, pool.rows, strict=True):
        part = slice(start, start + len(rows))
        start += len(rows)
        count = len(open_embeddings(files.embeddings))
        for place, test_set in enumerate(test_sets):
            path = margins_path(similarity, test_set, files.chunk)
            table = read_table(path, [column])
            require_rows(path, len(table), count)
            values = table[column].to_numpy()[rows]
            larger = values > largest[part]
            largest[part][larger] = values[larger]
            winner[part][larger] = place
    return largest, winner


def gap_match(
    pool: Pool, similarity: Path, test_sets: Sequence[str], rank: int, offset: float
) -> Selection:
    """Select by gap matching; a pruned sample counts for the test set of its largest margin."""
    column = margin_column(rank)
    margin, winner = largest_over_test_sets(pool, similarity, test_sets, column)
    kept = select_gap_match(margin, offset)
    counts = np.bincount(winner[~kept], minlength=len(test_sets))
    return Selection(kept, dict(zip(test_sets, counts.tolist(), strict=True)))


def near_or_far(
    pool: Pool, similarity: Path, test_sets: Sequence[str], method: str, number: int
) -> Selection:
    """Select by near- or far-pruning to a number of samples."""
    choose: Callable[[Float32, int], Mask] = select_near if method == "near" else select_far
    nearest, _ = largest_over_test_sets(pool, similarity, test_sets, "nearest_similarity")
    return Selection(choose(nearest, number), {method: len(pool) - number})


def without_search(pool: Pool, method: str, number: int, seed: int) -> Selection:
    """Select everything, nothing, or a number of samples at random."""
    if method == "all":
        return Selection(select_all(len(pool)), {})
    if method == "none":
        return Selection(select_none(len(pool)), {"none": len(pool)})
    return Selection(select_random(len(pool), number, seed), {"random": len(pool) - number})


def write_kept(folder: Path, pool: Pool, kept: Mask) -> None:
    """Write the kept rows of every chunk, ascending, with shard and key.

    Raises:
        InputError: A chunk's metadata is missing or not aligned to its embeddings.
    """
    start = 0
    for files, rows in zip(pool.chunks, pool.rows, strict=True):
        metadata = read_table(files.metadata, ["shard", "image_path"])
        require_rows(files.metadata, len(metadata), len(open_embeddings(files.embeddings)))
        chosen = rows[kept[start : start + len(rows)]]
        start += len(rows)
        table = pl.DataFrame({"row": chosen}, schema={"row": pl.Int32})
        names = metadata[chosen].select("shard", "image_path")
        write_table(kept_path(folder, files.chunk), table.hstack(names))


def read_kept(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.int32]:
    """Return the kept rows of a chunk, ascending.

    Raises:
        InputError: The file is missing, or names a row that the chunk does not have.
    """
    path = kept_path(folder, chunk)
    kept: npt.NDArray[np.int32] = read_table(path, ["row"])["row"].to_numpy()
    if len(kept) and (kept.min() < 0 or kept.max() >= rows):
        raise InputError(
            f"{path}: names row {kept.max()} but its chunk has {rows} rows; select again."
        )
    return kept
