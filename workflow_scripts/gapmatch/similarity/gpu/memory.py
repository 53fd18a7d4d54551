"""How large the blocks of a search on a GPU are: what fits the memory of the card."""

import logging
from dataclasses import dataclass

import torch

from gapmatch.running.errors import InputError
from gapmatch.similarity.blocks import PROCESS_MB
from gapmatch.similarity.gpu.products import TILE_SCORES

logger = logging.getLogger(__name__)

BLOCK_ROWS = 2**17
"""Rows of a block where memory does not limit it: enough to hide what is done once per block."""

LEAST_BLOCK_ROWS = 2**12

BUFFERS = 3
"""Blocks that are read, uploaded or multiplied at one time."""

BESIDE = 3 * 2**30
"""Bytes for what has a bound of its own: lists, pairs under decision, and the libraries' own."""

LISTED = 4
"""Groups that may hold a winner, for a row of the dataset and a test set: rather too many."""


@dataclass(frozen=True)
class Sizes:
    """What the memory depends on.

    Attributes:
        dim: Dimensions of the vectors.
        tests: Test images, with what fills up their groups.
        group: Test images of a group.
        test_sets: Their number.
        ranks: Ranks of the margins.
        k: Neighbours wanted for each test image.
        row_group: Rows of the dataset in a group.
        test_bytes: Of a number of the test images as stored: 2 or 4.
        row_bytes: Of a number of the dataset as stored.
        scores: Whether scores are written to memory, as torch's products do.
    """

    dim: int
    tests: int
    group: int
    test_sets: int
    ranks: int
    k: int
    row_group: int
    test_bytes: int
    row_bytes: int
    scores: bool


def fixed_bytes(sizes: Sizes) -> float:
    """Return the bytes on the card that do not depend on the rows of a block."""
    # As stored, in float16, and while they are prepared; limits, thresholds, squares, rows.
    test: float = sizes.dim * (sizes.test_bytes + 2) + 16 + 12 * (1 + sizes.ranks)
    # Neighbours kept and as many new ones while they are sorted; and in the lists of a block.
    test += (240 + 64) * sizes.k
    return sizes.tests * test + BESIDE + (2 * 4 * TILE_SCORES if sizes.scores else 0)


def row_bytes(sizes: Sizes) -> float:
    """Return the bytes on the card for a row of a block."""
    decisions = 1 + sizes.ranks
    # As stored, in each of the buffers; in float16; and its length.
    row: float = sizes.dim * (BUFFERS * sizes.row_bytes + 2) + 16
    # Peaks and masks of the groups of tests, once more while they are compared.
    row += sizes.tests / sizes.group * (5 * decisions + 2)
    if sizes.scores:
        row += 2 * 4 * sizes.group
    if sizes.k:
        row += sizes.tests / sizes.row_group * 6
    listed = LISTED * (16 + 8 + 8 + 4 * decisions)
    return row + sizes.test_sets * (listed + 2 * (16 + 8 * sizes.ranks))


def choose_block_rows(
    device: torch.device, sizes: Sizes, rows: int, max_memory_mb: int, asked: int | None
) -> int:
    """Return the rows of a block.

    Args:
        device: The GPU.
        sizes: Those of the search.
        rows: Rows of the dataset.
        max_memory_mb: What the process may take on the host, in MiB.
        asked: The caller's choice, which is an upper limit.

    Raises:
        InputError: Not even the smallest block fits the card.
    """
    free, total = torch.cuda.mem_get_info(device)
    # torch keeps what it freed, and counts it as taken.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    fixed, per_row = fixed_bytes(sizes), row_bytes(sizes)
    wanted = min(asked or BLOCK_ROWS, max(1, rows))
    least = min(wanted, LEAST_BLOCK_ROWS)
    if fixed + least * per_row > free:
        needed = int((fixed + least * per_row) / 2**20) + 1
        raise InputError(
            f"compute.device: {torch.cuda.get_device_name(device)} has {free // 2**20} of "
            f"{total // 2**20} MiB free, and {sizes.tests} test images of {sizes.dim} dimensions "
            f"need at least {needed}; end what else uses it, take a card with more memory, lower "
            "search.reference_neighbours, or set device: cpu."
        )
    # Pinned memory is taken in powers of two.
    on_host = (max_memory_mb - PROCESS_MB) * 2**20 / (2 * BUFFERS * sizes.dim * sizes.row_bytes)
    fits = int(min((free - fixed) / per_row, max(on_host, least)))
    chosen = min(wanted, fits)
    logger.info(
        "blocks of %d rows; %d MiB of the card are free, and %d needed",
        *(chosen, free // 2**20, (fixed + chosen * per_row) / 2**20),
    )
    return chosen
