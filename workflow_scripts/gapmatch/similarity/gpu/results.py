"""What was decided on a block, on its way back to the host while the next one is multiplied."""

from dataclasses import dataclass

import torch

from gapmatch.similarity.engine import PoolMargins
from gapmatch.similarity.gpu.operands import Operand
from gapmatch.similarity.gpu.winners import Winners
from gapmatch.similarity.normalising import bad_rows_error


@dataclass(frozen=True)
class Fetched:
    """Copies in pinned memory, whole once ``done`` has happened.

    Attributes:
        done: The event.
        bad: ``Operand.bad``.
        winners: Similarity, row and margins of ``Winners``; none where nobody asked.
    """

    done: torch.cuda.Event
    bad: torch.Tensor
    winners: list[torch.Tensor]


def fetch(block: Operand, winners: Winners | None) -> Fetched:
    """Let the results of a block be copied to the host."""
    copies = []
    if winners:
        # In the types of ``PoolMargins``: the fewer bytes to copy.
        found = winners.similarity.float(), winners.row.int(), winners.margins.float()
        copies = [_copy(values) for values in found]
    bad = _copy(block.bad)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record()
    return Fetched(done, bad, copies)


def _copy(values: torch.Tensor) -> torch.Tensor:
    pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return pinned.copy_(values, non_blocking=True)


def require_good(fetched: Fetched, source: str, first_row: int) -> None:
    """Wait for the results of a block.

    Args:
        fetched: The results.
        source: Name of the dataset's file.
        first_row: Row of the file that the block begins with.

    Raises:
        InputError: A vector of the block was not finite or not of length 1.
    """
    fetched.done.synchronize()
    bad, row, length = fetched.bad.tolist()
    if bad:
        raise bad_rows_error(source, first_row + int(row), length, int(bad))


def margins(fetched: Fetched, test_set: int, ranks: int) -> PoolMargins:
    """Return the margins of a block for one test set, copied."""
    similarity, row, found = (values.numpy() for values in fetched.winners)
    return PoolMargins(
        similarity[test_set].copy(), row[test_set].copy(), found[:ranks, test_set].copy()
    )
