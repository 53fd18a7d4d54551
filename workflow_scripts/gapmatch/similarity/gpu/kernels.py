# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""The products as Triton kernels: scores never leave the chip.

A kernel multiplies a tile of a block with all tiles of a group of tests, and keeps of the scores
only the largest of each group. Of the scores of a million samples and fifty thousand tests it
writes 0.05 bytes each instead of 4.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from gapmatch.similarity.candidates import Rows
from gapmatch.similarity.gpu.products import Members, Peaks, Shortlist, TorchProducts, uploaded

PAIRS = 64
"""Pairs of one program of the kernels that look at pairs."""

MEMBERS = 64
"""Members of a group that are multiplied at one time: with more, registers do not suffice."""

WINDOW = 16
"""Tiles of a block that are multiplied with all tests before the next ones: they stay in the L2
cache, as the groups of tests that are under way do."""


@triton.jit
def _row_by_row(left, i, left_ok, right, j, right_ok, dim, BK: tl.constexpr):
    """Return the product of rows of two matrices, float16 with float32 sums."""
    scores = tl.zeros((i.shape[0], j.shape[0]), tl.float32)
    for start in range(0, dim, BK):
        k = start + tl.arange(0, BK)
        x = tl.load(
            left + i[:, None].to(tl.int64) * dim + k[None, :],
            mask=left_ok[:, None] & (k < dim)[None, :],
            other=0.0,
        )
        y = tl.load(
            right + j[None, :].to(tl.int64) * dim + k[:, None],
            mask=right_ok[None, :] & (k < dim)[:, None],
            other=0.0,
        )
        scores = tl.dot(x, y, scores)
    return scores


@triton.jit
def _peaks(
    tests,
    block,
    limits,
    columns,
    rows,
    number,
    width,
    dim,
    DECISIONS: tl.constexpr,
    PADDED: tl.constexpr,
    GROUP: tl.constexpr,
    ROW_GROUP: tl.constexpr,
    WINDOW: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    """Multiply BM rows of the block with a group of tests; see ``Products.peaks``."""
    groups = number // GROUP
    tiles = tl.cdiv(width, BM)
    window = tl.program_id(0) // (WINDOW * groups)
    wide = tl.minimum(tiles - window * WINDOW, WINDOW)
    place = tl.program_id(0) % (WINDOW * groups)
    tile = window * WINDOW + place % wide
    group = place // wide
    row = tile * BM + tl.arange(0, BM)
    decision = tl.arange(0, PADDED)
    best = tl.full((PADDED, BM), float("-inf"), tl.float32)
    for step in range(GROUP // BN):
        test = group * GROUP + step * BN + tl.arange(0, BN)
        scores = _row_by_row(block, row, row < width, tests, test, test < number, dim, BK)
        for d in tl.static_range(DECISIONS):
            left = scores
            if d > 0:
                left = scores - tl.load(limits + d * number + test)[None, :]
            peak = tl.max(left, axis=1)
            best = tl.where((decision == d)[:, None], tl.maximum(best, peak[None, :]), best)
        if ROW_GROUP > 0:
            real = tl.where((row < width)[:, None], scores, float("-inf"))
            parts = tl.reshape(real, (BM // ROW_GROUP, ROW_GROUP, BN))
            part = tile * (BM // ROW_GROUP) + tl.arange(0, BM // ROW_GROUP)
            there = rows + part[:, None].to(tl.int64) * number + test[None, :]
            tl.store(there, tl.max(parts, axis=1), mask=(part * ROW_GROUP < width)[:, None])
    there = columns + (decision[:, None] * groups + group).to(tl.int64) * width + row[None, :]
    tl.store(there, best, mask=(decision < DECISIONS)[:, None] & (row < width)[None, :])


@triton.jit(
    # What differs from block to block, or Triton would compile it anew.
    do_not_specialize=["capacity", "pairs"],
    do_not_specialize_on_alignment=["other", "counter"],
)
def _members(
    grouped,
    others,
    other,
    limits,
    bounds,
    items,
    counter,
    found_pair,
    found_member,
    capacity,
    number,
    pairs,
    dim,
    DECISIONS: tl.constexpr,
    GROUP: tl.constexpr,
    BP: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    """Multiply up to BP vectors with a group; append the pairs that reach their bound."""
    item = items + 3 * tl.program_id(0)
    group, start, end = tl.load(item), tl.load(item + 1), tl.load(item + 2)
    pair = start + tl.arange(0, BP)
    asked = pair < end
    vector = tl.load(other + pair, mask=asked, other=0)
    for step in range(tl.cdiv(GROUP, BN)):
        inside = step * BN + tl.arange(0, BN)
        member = group * GROUP + inside
        real = (inside < GROUP) & (member < number)
        scores = _row_by_row(others, vector, asked, grouped, member, real, dim, BK)
        near = tl.zeros((BP, BN), tl.int32)
        for d in tl.static_range(DECISIONS):
            limit = tl.load(limits + d * number + member, mask=real, other=0.0)
            bound = tl.load(bounds + d * pairs + pair, mask=asked, other=float("inf"))
            near = near | (scores - limit[None, :] >= bound[:, None]).to(tl.int32)
        near = near * (asked[:, None] & real[None, :]).to(tl.int32)
        flags = tl.reshape(near, (BP * BN,))
        before = tl.cumsum(flags, 0) - flags
        there = tl.atomic_add(counter, tl.sum(flags, 0).to(tl.int64)) + before
        kept = (flags > 0) & (there < capacity)
        all_pairs = tl.reshape(tl.broadcast_to(pair[:, None], (BP, BN)), (BP * BN,))
        all_members = tl.reshape(tl.broadcast_to(member[None, :], (BP, BN)), (BP * BN,))
        tl.store(found_pair + there, all_pairs.to(tl.int64), mask=kept)
        tl.store(found_member + there, all_members.to(tl.int64), mask=kept)


@triton.jit(do_not_specialize=["pairs"])
def _dots(left, i, right, j, out, pairs, dim, BP: tl.constexpr, BK: tl.constexpr):
    """Write exact dots: products of float16 fit float32, and float64 holds all their sums."""
    pair = tl.program_id(0) * BP + tl.arange(0, BP)
    asked = pair < pairs
    x_row = tl.load(i + pair, mask=asked, other=0).to(tl.int64)
    y_row = tl.load(j + pair, mask=asked, other=0).to(tl.int64)
    total = tl.zeros((BP,), tl.float64)
    for start in range(0, dim, BK):
        k = start + tl.arange(0, BK)
        there = asked[:, None] & (k < dim)[None, :]
        x = tl.load(left + x_row[:, None] * dim + k[None, :], mask=there, other=0.0)
        y = tl.load(right + y_row[:, None] * dim + k[None, :], mask=there, other=0.0)
        product = x.to(tl.float32) * y.to(tl.float32)
        total += tl.sum(product.to(tl.float64), axis=1)
    tl.store(out + pair, total, mask=asked)


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
            _peaks,
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
            _members,
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
            _dots,
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
