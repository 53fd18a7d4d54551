"""How large the blocks of a search on a CPU are: what fits the memory and suits the cache."""

import logging
from dataclasses import dataclass

from gapmatch.running.errors import InputError
from gapmatch.similarity.candidates import COLUMNS_PER_GROUP, ROWS_PER_GROUP

logger = logging.getLogger(__name__)

PROCESS_MB = 1000
"""Memory of a process beside its blocks, in MiB: libraries, and what writing the results takes."""

TILE_SCORES = 2**21
"""Scores of one product: 8 MB, which the caches hold."""

BLOCK_ROWS = 4096
"""Rows of a block where memory does not limit it: enough to hide what is done once per block."""

LEAST_BLOCK_ROWS = 128


@dataclass(frozen=True)
class Blocks:
    """Sizes of one product.

    Attributes:
        block_rows: Rows of the dataset.
        tile_rows: Test images.
    """

    block_rows: int
    tile_rows: int


def choose_blocks(
    *,
    dim: int,
    tests: int,
    neighbours: int,
    workers: int,
    max_memory_mb: int,
    block_rows: int | None = None,
    tile_rows: int | None = None,
) -> Blocks:
    """Return the sizes of the products of a search.

    Args:
        dim: Dimensions of the vectors.
        tests: Test images that are searched together.
        neighbours: Neighbours wanted for each.
        workers: Blocks in memory at one time.
        max_memory_mb: What the process may take, in MiB.
        block_rows: The caller's choice, taken as it is.
        tile_rows: The caller's choice, taken as it is.

    Raises:
        InputError: Not even the smallest block fits.
    """
    rows = block_rows or BLOCK_ROWS
    # Tests: float32 while they are rounded, and rounded; candidates: 24 bytes for each of some
    # twice the neighbours, three times while they are sorted.
    fixed = PROCESS_MB * 2**20 + tests * (8 * dim + 2 * 3 * 24 * neighbours)
    # A block: as stored, copied, float32, rounded; beside it a matrix of scores, one in the
    # precision of the product, and candidates.
    per_row = 14 * dim + 10 * TILE_SCORES / BLOCK_ROWS
    if block_rows is None:
        fits = int((max_memory_mb * 2**20 - fixed) / (workers * per_row))
        if fits < LEAST_BLOCK_ROWS:
            least = (fixed + workers * per_row * LEAST_BLOCK_ROWS) / 2**20
            raise InputError(
                f"compute.search_memory_mb: {max_memory_mb} MiB cannot hold {tests} test images "
                f"of {dim} dimensions and {workers} blocks beside them; expected at least "
                f"{int(least) + 1} (or fewer threads, or a smaller number of neighbours)."
            )
        rows = min(rows, fits) // COLUMNS_PER_GROUP * COLUMNS_PER_GROUP
    tile = tile_rows or max(1, TILE_SCORES // rows // ROWS_PER_GROUP) * ROWS_PER_GROUP
    logger.info("products of %d test images with %d rows, %d at a time", tile, rows, workers)
    return Blocks(rows, tile)
