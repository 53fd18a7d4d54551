"""The search engines by name."""

import logging
from dataclasses import dataclass
from typing import Literal

from gapmatch.similarity.engine import Engine

logger = logging.getLogger(__name__)

ENGINES = ("auto", "fused", "faiss")

FASTEST = "fused"
"""The engine that "auto" takes: the faster one in docs/performance.md, where a GPU is not measured
yet."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How to search: options of the programs that do.

    Attributes:
        engine: Search engine; auto takes the faster.
        device: auto takes a GPU where there is one.
        threads: Threads to compute with.
        max_memory_mb: Memory of the process in MiB, without pages of mapped files.
        block_rows: Rows of the dataset per product; 0 chooses by memory and cache.
    """

    engine: Literal["auto", "fused", "faiss"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int
    max_memory_mb: int = 4096
    block_rows: int = 0

    def on_gpu(self) -> bool:
        """Return whether the device is a GPU, as it is where FAISS has no code for it, too."""
        from gapmatch.models.weights import choose_device

        return choose_device(self.device).type == "cuda"

    def make(self) -> Engine:
        """Return the engine (see ``make_engine``)."""
        return make_engine(
            self.engine, self.device, self.threads, self.max_memory_mb, self.block_rows or None
        )


def make_engine(
    name: str, device: str, threads: int, max_memory_mb: int, block_rows: int | None = None
) -> Engine:
    """Return the engine called ``name`` for a device.

    Args:
        name: One of ``ENGINES``; "auto" is the faster one on the device.
        device: "auto", "cpu" or "cuda"; "auto" is "cuda" where there is a GPU, else "cpu".
        threads: CPU threads to compute with; on a GPU, to read with.
        max_memory_mb: Memory of the process that blocks are chosen for, in MiB; "faiss" takes
            blocks of a fixed size.
        block_rows: Rows of the dataset per product; None chooses.

    Raises:
        InputError: The device is not there, or the engine cannot use it.
    """
    # Imported here so that the names can be listed without waiting for torch and FAISS.
    from gapmatch.models.weights import choose_device

    place = choose_device(device).type
    chosen = FASTEST if name == "auto" else name
    said = "similarity engine %s (asked: %s) on %s (asked: %s)"
    if chosen == "faiss":
        # FAISS reports each instruction set that it tries, even those it does not ship.
        logging.getLogger("faiss").setLevel(logging.WARNING)
        from gapmatch.similarity.faiss_engine import FaissEngine, computes_on_gpu

        if device == "auto" and not computes_on_gpu():
            place = "cpu"
        logger.info(said, chosen, name, place, device)
        return FaissEngine(place, threads, block_rows)
    logger.info(said, chosen, name, place, device)
    if place == "cuda":
        from gapmatch.similarity.gpu.engine import GpuEngine

        return GpuEngine(threads, max_memory_mb, block_rows)
    from gapmatch.similarity.fused import FusedEngine

    return FusedEngine(threads, max_memory_mb, block_rows)
