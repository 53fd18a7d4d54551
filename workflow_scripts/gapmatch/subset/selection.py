"""Selecting a subset chunk by chunk, whatever its method, and the files of a subset."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    Float32,
    embedded_chunks,
    open_embeddings,
    require_rows,
)
from gapmatch.deduplicate.duplicate_files import read_not_duplicates
from gapmatch.running.atomic import write_json
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns, read_object
from gapmatch.search.search_tables import margins_path
from gapmatch.subset.kept_files import write_kept
from gapmatch.subset.keys import Keys, lowest_keys, parse_keep, samples_to_keep

METHODS = Path(__file__).parent / "methods"

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


Choices: TypeAlias = Iterator[tuple[Part, Choice]]
"""What is kept of each chunk, in the order of the chunks."""


class PoolSamples:
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
        """Read the chunks, one after the other, and show the progress of the pass."""
        for files in tqdm(self.chunks, unit="chunk", mininterval=5):
            count = len(open_embeddings(files.embeddings))
            kept = np.ones(count, dtype=np.bool_)
            if self._duplicates is not None:
                kept = read_not_duplicates(self._duplicates, files.chunk, count)
            yield Part(files, count, np.flatnonzero(kept).astype(np.int32))


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
        path = margins_path(similarity / test_set, part.files.chunk)
        table = read_columns(path, [column])
        require_rows(path, len(table), part.embedded)
        values = table[column].to_numpy()[part.rows]
        larger = values > largest
        largest[larger] = values[larger]
        winner[larger] = place
    return largest, winner


def by_lowest_keys(
    keys: Callable[[], Iterator[tuple[Part, Keys]]], number: int, reason: str
) -> Choices:
    """Keep the samples with the lowest keys, the earlier of equal ones.

    Args:
        keys: Starts a pass over the pool: the keys of each chunk.
        number: How many samples are kept.
        reason: Why the others are pruned, for the summary.
    """
    lowest = lowest_keys(lambda: (of_part for _, of_part in keys()), number)
    for part, kept in lowest.masks(keys()):
        yield part, Choice(part.rows[kept], {reason: int((~kept).sum())})


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A subset to select: options of select_subset.py that all methods share.

    Attributes:
        subset: Name of the subset.
        embedder: Name of the embedder, for the summary.
        embeddings: Folder of the pool's embeddings.
        chunks: Chunk ids of the pool.
        duplicates: Folder of duplicates to leave out.
        out: Output: folder of kept_<chunk>.parquet.
        summary: Output: summary.json.
    """

    subset: str
    embedder: str
    embeddings: Path
    chunks: list[str]
    duplicates: Path | None = None
    out: Path
    summary: Path

    def pool(self) -> PoolSamples:
        """Return the samples to choose from."""
        return PoolSamples(embedded_chunks(self.embeddings, self.chunks), self.duplicates)

    def write(
        self,
        method: str,
        pool: PoolSamples,
        choices: Choices,
        settings: Mapping[str, object] | None = None,
        **told: object,
    ) -> None:
        """Write the kept rows of every chunk and a summary.

        Args:
            method: Name of the method's module.
            pool: What there was to choose from.
            choices: What is kept.
            settings: The method's own keys that distinguish its subsets in tables and figures.
            told: What the summary tells beside: test_sets, rank, offset, seed, and what came out.
        """
        kept, pruned_by = 0, Counter[str]()
        if not METHODS.joinpath(f"{method}.py").is_file():
            raise ValueError(f"{method}: expected the name of the method's module")
        for part, choice in choices:
            if len(part.rows) - len(choice.rows) != sum(choice.pruned_by.values()):
                raise ValueError(
                    f"{method}: pruned {len(part.rows) - len(choice.rows)} of chunk "
                    f"{part.files.chunk}, but gives the reasons of {choice.pruned_by}"
                )
            write_kept(self.out, part.files, choice.rows, part.embedded)
            kept += len(choice.rows)
            pruned_by.update(choice.pruned_by)
        summary = {
            "subset": self.subset,
            "method": method,
            "embedder": self.embedder,
            **{"test_sets": [], "rank": None, "offset": None, "seed": None, **told},
            "settings": dict(settings or {}),
            "embedded": pool.embedded,
            "duplicates": pool.embedded - len(pool),
            "pool": len(pool),
            "kept": kept,
            "pruned": len(pool) - kept,
            "pruned_by": dict(pruned_by),
        }
        write_json(self.summary, summary)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of the pool a method keeps.

    Attributes:
        keep: A number of samples, or a fraction of the pool.
        keep_like: summary.json of the subset whose size is taken.
    """

    keep: str | None = None
    keep_like: Path | None = None

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return bool(self.keep or self.keep_like)

    def samples(self, pool: PoolSamples, subset: str) -> int:
        """Return the number of samples to keep.

        Raises:
            InputError: Neither or both are given, or the pool holds fewer.
        """
        if (self.keep is None) == (self.keep_like is None):
            raise InputError(f"{subset}: expected one of --keep and --keep-like")
        if self.keep_like:
            return samples_to_keep(
                int(read_object(self.keep_like, ["kept"])["kept"]), len(pool), subset
            )
        try:
            keep = parse_keep(str(self.keep))
        except ValueError as error:
            raise InputError(f"--keep: {error}") from None
        return samples_to_keep(keep, len(pool), subset)


def select_by_similarity(
    selection: Selection,
    similarity: Path,
    test_sets: list[str],
    size: Size,
    to_keys: Callable[[Float32], Keys],
    method: str,
) -> None:
    """Keep the samples whose similarity to the nearest test image has the lowest keys.

    Args:
        selection: The subset.
        similarity: Folder similarity/<embedder>.
        test_sets: Test sets to measure against.
        size: How many samples are kept.
        to_keys: Keys of similarities.
        method: Name of the method, which is also why the others are pruned.
    """
    pool = selection.pool()

    def keys() -> Iterator[tuple[Part, Keys]]:
        for part in pool.parts():
            nearest, _ = largest_over_test_sets(part, similarity, test_sets, "nearest_similarity")
            yield part, to_keys(nearest)

    kept = by_lowest_keys(keys, size.samples(pool, selection.subset), method)
    selection.write(method, pool, kept, test_sets=test_sets)
