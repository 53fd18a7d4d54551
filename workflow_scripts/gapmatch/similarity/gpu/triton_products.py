"""The products by Triton kernels, see ``kernels``."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import triton

from gapmatch.similarity.candidates import Rows
from gapmatch.similarity.gpu import kernels
from gapmatch.similarity.gpu.products import Members, Peaks, Shortlist, TorchProducts, uploaded

PAIRS = 64
"""Pairs of one program of the kernels that look at pairs."""

MEMBERS = 64
"""Members of a group that are multiplied at one time: with more, registers do not suffice."""

WINDOW = 16
"""Tiles of a block that are multiplied with all tests before the next ones: they stay in the L2
cache, as the groups of tests that are under way do."""


@dataclass(frozen=True)
class Tiles:
    """Sizes of the tiles that a program multiplies.

    Attributes:
        side: Rows of the block, and tests; a power of two, at least 16.
        depth: Dimensions at one time; likewise.
        warps: Warps of a program.
        stages: Tiles that are loaded ahead; each takes 4 x side x depth bytes of shared memory.
    """

    side: int = 128
    depth: int = 64
    warps: int = 8
    stages: int = 3


def launch(kernel: Callable[..., None], programs: int, *arguments: Any, **sizes: Any) -> None:
    """Run ``programs`` programs of a kernel, which sees tensors as one row of numbers."""
    if programs:
        flat = [one.contiguous() if torch.is_tensor(one) else one for one in arguments]
        run(kernel, programs, flat, sizes)


def run(
    kernel: Callable[..., None], programs: int, arguments: Sequence[Any], sizes: dict[str, Any]
) -> None:
    """Start a kernel: here tests put a pretend GPU."""
    kernel[(programs,)](*arguments, **sizes)  # type: ignore[index]


class TritonProducts:
    """``Products`` by kernels."""

    fused = True
    members_at_once = sys.maxsize

    def __init__(self, tiles: Tiles | None = None) -> None:
        """Take sizes on which no result depends."""
        self._tiles = tiles or Tiles()
        self.tile = self._tiles.side
        self._by_torch = TorchProducts()

    def _pipeline(self) -> dict[str, int]:
        return {"num_warps": self._tiles.warps, "num_stages": self._tiles.stages}

    def peaks(
        self,
        tests: torch.Tensor,
        block: torch.Tensor,
        limits: torch.Tensor,
        group: int,
        row_group: int,
    ) -> Peaks:
        """See ``Products.peaks``."""
        number, width, decisions, side = len(tests), len(block), len(limits), self.tile
        empty = tests.new_empty
        columns = empty(decisions, number // group, width, dtype=torch.float32)
        rows = empty(-(-width // row_group), number, dtype=torch.float32) if row_group else None
        launch(
            kernels.peaks,
            triton.cdiv(width, side) * (number // group),
            *(tests, block, limits, columns, columns if rows is None else rows),
            *(number, width, tests.shape[1]),
            DECISIONS=decisions,
            PADDED=triton.next_power_of_2(max(1, decisions)),
            GROUP=group,
            ROW_GROUP=row_group,
            WINDOW=WINDOW,
            BM=side,
            BN=side,
            BK=self._tiles.depth,
            **self._pipeline(),
        )
        return Peaks(columns, rows)

    def members(self, lists: Sequence[Shortlist], most: int) -> list[Members]:
        """See ``Products.members``."""
        counters = torch.zeros(len(lists), dtype=torch.int64, device=lists[0].other.device)
        # Mostly one pair in each group that may hold one.
        room = [2 * len(one.other) + 1024 for one in lists]
        appended = [
            self._append(one, size, counters[number:])
            for number, (one, size) in enumerate(zip(lists, room, strict=True))
        ]
        found: list[Members] = []
        for number, total in enumerate(counters.tolist()):
            if total > most:
                found.append(None)
                continue
            pair, member = appended[number]
            if total > room[number]:
                counters[number].zero_()
                pair, member = self._append(lists[number], total, counters[number:])
            found.append((pair[:total], member[:total]))
        return found

    def _append(
        self, one: Shortlist, room: int, counter: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Fill two lists with the pairs that reach their bound, and count those that do."""
        side = min(self.tile, MEMBERS, max(16, triton.next_power_of_2(one.group)))
        pair, member = (one.other.new_empty(room) for _ in range(2))
        items = _items(one.counts, PAIRS)
        launch(
            kernels.members,
            len(items),
            *(one.grouped, one.others, one.other, one.limits, one.bounds),
            *(uploaded(items, one.other.device), counter, pair, member),
            *(room, len(one.grouped), len(one.other), one.grouped.shape[1]),
            DECISIONS=len(one.limits),
            GROUP=one.group,
            BP=PAIRS,
            BN=side,
            BK=self._tiles.depth,
            **self._pipeline(),
        )
        return pair, member

    def dots(
        self, left: torch.Tensor, i: torch.Tensor, right: torch.Tensor, j: torch.Tensor
    ) -> torch.Tensor:
        """See ``Products.dots``; of float32 vectors torch sums in an order of its own."""
        if left.dtype != torch.float16 or right.dtype != torch.float16:
            return self._by_torch.dots(left, i, right, j)
        out = torch.empty(len(i), dtype=torch.float64, device=left.device)
        launch(
            kernels.dots,
            triton.cdiv(len(i), PAIRS),
            *(left, i, right, j, out, len(i), left.shape[1]),
            BP=PAIRS,
            BK=self._tiles.depth,
        )
        return out


def _items(counts: Sequence[int], pairs: int) -> Rows:
    """Return (programs, 3): the group of each program, and its first and last pair."""
    ends = np.cumsum(counts)
    programs = -(-np.asarray(counts) // pairs)
    group = np.repeat(np.arange(len(counts)), programs)
    number = np.arange(len(group)) - np.repeat(np.cumsum(programs) - programs, programs)
    start = (ends - counts)[group] + number * pairs
    return np.column_stack([group, start, np.minimum(start + pairs, ends[group])])
