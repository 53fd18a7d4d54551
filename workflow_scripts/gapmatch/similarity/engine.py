"""What a search engine answers, and the engines by name."""

import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gapmatch.embedding_files import Float32, Stored
from gapmatch.errors import InputError
from gapmatch.similarity.exact import Float64

logger = logging.getLogger(__name__)

ENGINES = ("auto", "fused", "faiss")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class PoolMargins:
    """What decides whether a pool sample is kept, for one test set.

    Attributes:
        nearest_similarity: (rows,), float32: max over i of s(t_i, p).
        nearest_test_row: (rows,), int32: the i that attains it, the lowest among equal ones.
        margins: (ranks, rows), float32: m_K(p) = max over i of s(t_i, p) - s_i^(K)(R). A sample
            is pruned iff its margin exceeds the offset. Computed in float64 and rounded to
            float32, which keeps the sign and leaves an exact 0 exact.
    """

    nearest_similarity: Float32
    nearest_test_row: npt.NDArray[np.int32]
    margins: Float32


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of one dataset for every query, nearest first, equal ones by row.

    Attributes:
        similarity: (queries, k), float64.
        row: (queries, k), int32; k is smaller than asked where the dataset has fewer rows.
    """

    similarity: Float64
    row: npt.NDArray[np.int32]


class Engine(Protocol):
    """The two questions of the study. Both are answered exactly, with bounded memory."""

    def margins(
        self, pool: Stored, tests: Stored, thresholds: Float64, block_rows: int
    ) -> PoolMargins:
        """Return nearest test image and margins of every pool row.

        Args:
            pool: (rows, dim) as stored; may be a memory map, may be empty.
            tests: (n, dim) as stored, n > 0.
            thresholds: (ranks, n), float64: s_i^(K)(R) for each rank K.
            block_rows: Pool rows per product.

        Raises:
            InputError: A vector is not finite or not of length 1.
        """
        ...

    def neighbours(self, queries: Stored, base: Stored, k: int, block_rows: int) -> Neighbours:
        """Return the k nearest rows of ``base`` for every query.

        Args:
            queries: (n, dim) as stored.
            base: (rows, dim) as stored; may be a memory map, may be empty.
            k: Neighbours per query.
            block_rows: Base rows per product.

        Raises:
            InputError: A vector is not finite or not of length 1.
        """
        ...


def make_engine(name: str, device: str) -> Engine:
    """Return the engine called ``name`` for a device.

    Args:
        name: One of ``ENGINES``; "auto" is "fused".
        device: One of ``DEVICES``; "auto" is "cuda" where there is a GPU, else "cpu".

    Raises:
        InputError: The device is not there, or the engine cannot use it.
    """
    # Imported here so that the names can be listed without waiting for torch and FAISS.
    from gapmatch.similarity import faiss_engine, fused
    from gapmatch.weights import choose_device

    chosen = "fused" if name == "auto" else name
    place = choose_device("cpu" if chosen == "faiss" and device == "auto" else device).type
    logger.info("similarity engine %s (asked: %s) on %s (asked: %s)", chosen, name, place, device)
    if chosen == "fused":
        return fused.FusedEngine(place)
    if place != "cpu":
        raise InputError(
            "compute.engine: the engine 'faiss' runs on the CPU here (PyPI's FAISS has no GPU "
            "code); use engine 'fused' or device 'cpu'."
        )
    return faiss_engine.FaissEngine()


def limit_threads(threads: int) -> None:
    """Let torch and FAISS compute with at most ``threads`` threads each."""
    # FAISS reports each instruction set that it tries, even those it does not ship.
    logging.getLogger("faiss").setLevel(logging.WARNING)
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
