"""Embedding files in clip-retrieval's layout: finding, checking, reading and writing them.

A folder of embeddings holds ``img_emb/img_emb_<chunk>.npy`` (rows, dim), L2-normalised and in
C order, and row by row beside it ``metadata/metadata_<chunk>.parquet``. Files are mapped into
memory and read block by block, so a chunk may be larger than the memory.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns

Stored: TypeAlias = npt.NDArray[np.floating[Any]]
"""Embeddings as they stand in a file: (rows, dim), float16 or float32, norm close to 1."""

Float32: TypeAlias = npt.NDArray[np.float32]

Float64: TypeAlias = npt.NDArray[np.float64]

NORM_TOLERANCE = 1e-2
"""Largest deviation of a stored vector's length from 1; rounding to float16 costs about 1e-4."""


@dataclass(frozen=True)
class EmbeddedChunk:
    """The files of one embedded chunk.

    Attributes:
        chunk: Chunk id, five digits.
        embeddings: Path of ``img_emb_<chunk>.npy``.
        metadata: Path of ``metadata_<chunk>.parquet``.
    """

    chunk: str
    embeddings: Path
    metadata: Path


def embedding_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's embeddings below ``folder``."""
    return folder / "img_emb" / f"img_emb_{chunk}.npy"


def metadata_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's metadata below ``folder``."""
    return folder / "metadata" / f"metadata_{chunk}.parquet"


def embedded_chunks(folder: Path, chunks: Sequence[str]) -> list[EmbeddedChunk]:
    """Return the files of ``chunks`` below ``folder``, in ascending order of the chunk id.

    Raises:
        InputError: A chunk is named twice, or a file is missing.
    """
    if len(set(chunks)) != len(chunks):
        raise InputError(f"{folder}: a chunk is named more than once in {' '.join(chunks)}.")
    found = [
        EmbeddedChunk(chunk, embedding_path(folder, chunk), metadata_path(folder, chunk))
        for chunk in sorted(chunks)
    ]
    for files in found:
        for path in (files.embeddings, files.metadata):
            if not path.is_file():
                raise InputError(f"{path}: not found; embed chunk {files.chunk} first.")
    return found


def open_embeddings(path: Path) -> Stored:
    """Map an embedding file into memory after checking all that its header tells.

    Returns:
        Read-only memory map (rows, dim), float16 or float32, C order.

    Raises:
        InputError: The file is missing, not NumPy's format, cut short or too long, or its array
            has another number of dimensions, type or order.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran_order, dtype = read_header(file)
            expected_bytes = file.tell() + int(np.prod(shape)) * dtype.itemsize
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; expected an embedding file (.npy).") from error
    except ValueError as error:
        raise InputError(f"{path}: not a readable .npy file ({error}); embed it again.") from error
    if dtype not in (np.dtype(np.float16), np.dtype(np.float32)):
        raise InputError(f"{path}: expected float16 or float32 numbers, found {dtype}.")
    if len(shape) != 2 or shape[1] == 0:
        raise InputError(f"{path}: expected an array (rows, dim), found shape {shape}.")
    if fortran_order and shape[0] > 1:
        raise InputError(
            f"{path}: expected C order, found Fortran order; save np.ascontiguousarray of it."
        )
    size = path.stat().st_size
    if size != expected_bytes:
        raise InputError(
            f"{path}: expected {expected_bytes} bytes for shape {shape}, found {size}; "
            "the file was cut short or changed, make it again."
        )
    stored: Stored = np.load(path, mmap_mode="r", allow_pickle=False)
    return stored


def open_chunks(chunks: Sequence[EmbeddedChunk]) -> list[Stored]:
    """Open the embeddings of several chunks and check that their dimensions agree.

    Raises:
        InputError: As ``open_embeddings``, or the dimensions differ.
    """
    opened = [open_embeddings(files.embeddings) for files in chunks]
    for other in opened[1:]:
        require_same_dimension(opened[0], other)
    return opened


def evenly_spaced(total: int, wanted: int) -> npt.NDArray[np.int64]:
    """Return ``min(total, wanted)`` of the numbers 0..total-1, evenly spaced, ascending."""
    count = min(total, wanted)
    return np.arange(count, dtype=np.int64) * total // max(count, 1)


def require_rows(path: Path, found: int, expected: int) -> None:
    """Raise InputError unless a row-aligned file has as many rows as the embeddings."""
    if found != expected:
        raise InputError(
            f"{path}: has {found} rows but the embeddings of its chunk have {expected}; "
            "it belongs to other embeddings, make it again."
        )


def read_metadata(chunk: EmbeddedChunk, columns: Sequence[str], rows: int) -> pl.DataFrame:
    """Read columns of a chunk's metadata, row by row as the embeddings.

    Args:
        chunk: The chunk.
        columns: Their names.
        rows: Rows of its embeddings.

    Raises:
        InputError: The file is missing, lacks a column, or has another number of rows.
    """
    table = read_columns(chunk.metadata, columns)
    require_rows(chunk.metadata, len(table), rows)
    return table


def require_same_dimension(one: Stored, other: Stored) -> None:
    """Raise InputError unless both arrays hold vectors of the same dimension."""
    if one.shape[1] != other.shape[1]:
        raise InputError(
            f"{source_name(one)} has {one.shape[1]} dimensions but {source_name(other)} has "
            f"{other.shape[1]}; both must come from the same embedder."
        )


class Samples:
    """The samples of several chunks as one sequence, read where asked."""

    def __init__(self, chunks: Sequence[Stored]) -> None:
        """Take the chunks in their order; they may be memory maps."""
        self._chunks = chunks
        self.starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, samples: npt.NDArray[np.int64]) -> Stored:
        """Return the vectors of ``samples`` (any order), reading each chunk front to back."""
        order = np.argsort(samples, kind="stable")
        ascending = samples[order]
        bounds = np.searchsorted(ascending, self.starts)
        dim = self._chunks[0].shape[1]
        vectors = np.empty((len(samples), dim), dtype=np.result_type(*self._chunks))
        for chunk, start, low, high in zip(
            self._chunks, self.starts, bounds, bounds[1:], strict=False
        ):
            if low < high:
                vectors[order[low:high]] = chunk[ascending[low:high] - start]
        return vectors


def source_name(stored: Stored) -> str:
    """Return the file behind a memory map, or words for an array that has none."""
    return str(getattr(stored, "filename", None) or "an array in memory")


def release(stored: Stored, first_row: int, rows: int) -> None:
    """Give the memory of mapped rows that were read back to the system; they can be read again.

    Such pages are the system's to take when it needs them, but a cluster may count them as memory
    of the job. Arrays that are no memory map are left alone.
    """
    if isinstance(stored, np.memmap) and rows:
        # The map begins at a whole page, the array after the file's header.
        begin = stored.offset % mmap.ALLOCATIONGRANULARITY + first_row * stored.strides[0]
        page = begin - begin % mmap.PAGESIZE
        mapped: mmap.mmap = stored._mmap  # type: ignore[attr-defined]
        mapped.madvise(mmap.MADV_DONTNEED, page, begin - page + rows * stored.strides[0])


def join_embeddings(path: Path, parts: Sequence[Path]) -> None:
    """Write the vectors of several files one after the other into one, atomically.

    No more than a part is in memory. Files without vectors are left out.

    Args:
        path: The file to write.
        parts: Files of ``write_embeddings``, one with a vector at least.
    """
    # A file of no vectors has no dimension either.
    arrays = [np.load(part, mmap_mode="r", allow_pickle=False) for part in parts]
    arrays = [array for array in arrays if len(array)]
    for other in arrays[1:]:
        require_same_dimension(arrays[0], other)
    shape = (sum(len(array) for array in arrays), arrays[0].shape[1])
    header = {"descr": arrays[0].dtype.str, "fortran_order": False, "shape": shape}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)
            release(array, 0, len(array))


def write_embeddings(path: Path, vectors: Stored) -> None:
    """Normalise vectors in float32 and write them as float16 in C order, atomically.

    Args:
        path: The file to write.
        vectors: (rows, dim), of any positive length.

    Raises:
        InputError: A vector is zero or not finite.
    """
    if vectors.ndim != 2:
        raise InputError(f"{path}: expected vectors (rows, dim), got shape {vectors.shape}.")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(normalised(vectors, path)), allow_pickle=False)


def normalised(vectors: Stored, name: object) -> npt.NDArray[np.float16]:
    """Return vectors of length 1 as they are stored; computed in float32.

    Args:
        vectors: (rows, dim), of any positive length.
        name: What they are, for messages.

    Raises:
        InputError: A vector is zero or not finite.
    """
    values = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        raise InputError(f"{name}: row {bad[0]} is zero or not finite ({len(bad)} such rows).")
    unit: npt.NDArray[np.float16] = (values / norms).astype(np.float16)
    return unit
