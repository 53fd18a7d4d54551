"""Selecting a subset from the files of the search, chunk by chunk, and the files of a subset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import EmbeddedChunk, Float32, open_embeddings
from gapmatch.deduplicate.duplicate_files import read_not_duplicates, require_rows
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.search.search_tables import margin_column
from gapmatch.subset.subsets import (
    Keys,
    Mask,
    far_keys,
    lowest_keys,
    near_keys,
    random_keys,
    select_gap_match,
)

METHODS = ("all", "none", "gap_match", "near", "far", "random")

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Part:
    """The samples of one chunk that there are to choose from.

    Attributes:
        files: The chunk.
        embedded: Number of its embedded samples, duplicates included.
        rows: Rows that are not duplicates, ascending.
    """

    files: EmbeddedChunk
    embedded: int
    rows: Rows


@dataclass(frozen=True)
class Choice:
    """What a subset keeps of one chunk.

    Attributes:
        rows: Rows kept, ascending.
        pruned_by: Reason and number of the samples that were pruned; the numbers add up.
    """

    rows: Rows
    pruned_by: dict[str, int]


class Pool:
    """The samples to choose from: every embedded one, without the duplicates."""

    def __init__(self, chunks: Sequence[EmbeddedChunk], duplicates: Path | None) -> None:
        """Count the samples.

        Args:
            chunks: The chunks, ascending.
            duplicates: Folder of duplicates_<chunk>.parquet; None keeps every sample.

        Raises:
            InputError: A file is missing or belongs to other embeddings.
        """
        self.chunks = chunks
        self._duplicates = duplicates
        self.embedded = self._samples = 0
        for part in self.parts():
            self.embedded += part.embedded
            self._samples += len(part.rows)

    def __len__(self) -> int:
        return self._samples

    def parts(self) -> Iterator[Part]:
        """Read the chunks, one after the other."""
        for files in self.chunks:
            count = len(open_embeddings(files.embeddings))
            kept = np.ones(count, dtype=np.bool_)
            if self._duplicates is not None:
                kept = read_not_duplicates(self._duplicates, files.chunk, count)
            yield Part(files, count, np.flatnonzero(kept).astype(np.int32))


def margins_path(similarity: Path, test_set: str, chunk: str) -> Path:
    """Return the path of a chunk's margins below similarity/<embedder>/."""
    return similarity / test_set / "margins" / f"margins_{chunk}.parquet"


def kept_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's kept samples."""
    return folder / f"kept_{chunk}.parquet"


def largest_over_test_sets(
    part: Part, similarity: Path, test_sets: Sequence[str], column: str
) -> tuple[Float32, npt.NDArray[np.int16]]:
    """Return the largest value of a margins column over the test sets, for samples of a chunk.

    Returns:
        largest: (rows,), float32.
        test_set: (rows,), int16: which test set has it, the first named among equal ones.

    Raises:
        InputError: A file is missing, lacks the column, or belongs to other embeddings.
    """
    largest = np.full(len(part.rows), -np.inf, np.float32)
    winner = np.zeros(len(part.rows), np.int16)
    for place, test_set in enumerate(test_sets):
        path = margins_path(similarity, test_set, part.files.chunk)
        table = read_columns(path, [column])
        require_rows(path, len(table), part.embedded)
        values = table[column].to_numpy()[part.rows]
        larger = values > largest
        largest[larger] = values[larger]
        winner[larger] = place
    return largest, winner


def gap_match(
    pool: Pool, similarity: Path, test_sets: Sequence[str], rank: int, offset: float
) -> Iterator[tuple[Part, Choice]]:
    """Select by gap matching; a pruned sample counts for the test set of its largest margin."""
    column = margin_column(rank)
    for part in pool.parts():
        margin, winner = largest_over_test_sets(part, similarity, test_sets, column)
        kept = select_gap_match(margin, offset)
        counts = np.bincount(winner[~kept], minlength=len(test_sets)).tolist()
        yield part, Choice(part.rows[kept], dict(zip(test_sets, counts, strict=True)))


def near_or_far(
    pool: Pool, similarity: Path, test_sets: Sequence[str], method: str, number: int
) -> Iterator[tuple[Part, Choice]]:
    """Select by near- or far-pruning to a number of samples."""
    to_keys = near_keys if method == "near" else far_keys

    def keys() -> Iterator[tuple[Part, Keys]]:
        for part in pool.parts():
            nearest, _ = largest_over_test_sets(part, similarity, test_sets, "nearest_similarity")
            yield part, to_keys(nearest)

    lowest = lowest_keys(lambda: (of_part for _, of_part in keys()), number)
    for part, of_part in keys():
        yield part, _choice(part, lowest.mask(of_part), method)


def random(pool: Pool, number: int, seed: int) -> Iterator[tuple[Part, Choice]]:
    """Select a number of samples at random; which depends on the seed and the pool's size."""

    def keys() -> Iterator[tuple[Part, Keys]]:
        generator = np.random.default_rng(seed)
        for part in pool.parts():
            yield part, random_keys(generator, len(part.rows))

    lowest = lowest_keys(lambda: (of_part for _, of_part in keys()), number)
    for part, of_part in keys():
        yield part, _choice(part, lowest.mask(of_part), "random")


def everything(pool: Pool) -> Iterator[tuple[Part, Choice]]:
    """Select every sample."""
    for part in pool.parts():
        yield part, Choice(part.rows, {})


def nothing(pool: Pool) -> Iterator[tuple[Part, Choice]]:
    """Select no sample."""
    for part in pool.parts():
        yield part, Choice(part.rows[:0], {"none": len(part.rows)})


def _choice(part: Part, kept: Mask, reason: str) -> Choice:
    """Return what a mask keeps of a chunk, with one reason for the rest."""
    return Choice(part.rows[kept], {reason: int((~kept).sum())})


def write_kept(folder: Path, part: Part, rows: Rows) -> None:
    """Write the kept rows of a chunk, ascending, with shard and key.

    Raises:
        InputError: The chunk's metadata is missing or not aligned to its embeddings.
    """
    metadata = read_columns(part.files.metadata, ["shard", "image_path"])
    require_rows(part.files.metadata, len(metadata), part.embedded)
    table = pl.DataFrame({"row": rows}, schema={"row": pl.Int32})
    names = metadata[rows].select("shard", "image_path")
    write_parquet(kept_path(folder, part.files.chunk), table.hstack(names))


def read_kept(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.int32]:
    """Return the kept rows of a chunk, ascending.

    Raises:
        InputError: The file is missing, or names a row that the chunk does not have.
    """
    path = kept_path(folder, chunk)
    kept: npt.NDArray[np.int32] = read_columns(path, ["row"])["row"].to_numpy()
    if len(kept) and (kept.min() < 0 or kept.max() >= rows):
        raise InputError(
            f"{path}: names row {kept.max()} but its chunk has {rows} rows; select again."
        )
    return kept
