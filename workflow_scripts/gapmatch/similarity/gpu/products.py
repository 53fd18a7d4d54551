"""What is computed of products on the device, and how torch computes it.

``Products`` has two implementations: ``TorchProducts`` here, and ``TritonProducts``. Their
scores may differ in the last bits; no decision depends on those.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Protocol, TypeAlias

import numpy as np
import torch

from gapmatch.similarity.candidates import Rows
from gapmatch.similarity.exact import row_dots

TILE_SCORES = 2**27
"""Scores of one product of torch's: 0.5 GB."""

PAIRS_AT_ONCE = 2**14
"""Pairs whose vectors torch gathers at one time."""


@dataclass(frozen=True)
class Peaks:
    """The largest scores of groups, of the product of n tests and b rows of the dataset.

    Attributes:
        columns: (decisions, groups of tests, b), float32: for each row of the dataset, the
            largest score less limit of each group of tests. No decision is allowed.
        rows: (groups of rows, n), float32: for each test, the largest score of each group of rows
            of the dataset; the last group may be smaller. None where nobody asked.
    """

    columns: torch.Tensor
    rows: torch.Tensor | None


@dataclass(frozen=True)
class Shortlist:
    """Groups of vectors, and for each some vectors of the other side that may find a winner in it.

    Attributes:
        grouped: (n, dim), float16: the side in groups.
        group: Vectors of a group; the last may have fewer.
        others: (m, dim), float16: the other side.
        counts: Pairs of each group.
        other: (pairs,), int64: the vector of the other side, group after group.
        limits: (decisions, n), float32.
        bounds: (decisions, pairs), float32: what score less limit must reach in some decision.
    """

    grouped: torch.Tensor
    group: int
    others: torch.Tensor
    counts: Sequence[int]
    other: torch.Tensor
    limits: torch.Tensor
    bounds: torch.Tensor


Members: TypeAlias = tuple[torch.Tensor, torch.Tensor] | None


class Products(Protocol):
    """Products of float16 vectors with float32 sums, on the device of the vectors."""

    tile: int
    """A group of tests is a multiple of this, and a group of rows a part of it."""

    fused: bool
    """Whether scores stay on the chip."""

    members_at_once: int
    """Members of all pairs of a list, at most: for those that reach no bound there is room too."""

    def peaks(
        self,
        tests: torch.Tensor,
        block: torch.Tensor,
        limits: torch.Tensor,
        group: int,
        row_group: int,
    ) -> Peaks:
        """Return the largest scores of the product of tests and a block.

        Args:
            tests: (n, dim), float16; n is a multiple of ``group``.
            block: (b, dim), float16.
            limits: (decisions, n), float32; those of the first decision are taken as 0.
            group: Tests of a group.
            row_group: Rows of the dataset in a group; 0 leaves out the peaks of the rows.
        """
        ...

    def members(self, lists: Sequence[Shortlist], most: int) -> list[Members]:
        """Return the pairs that reach their bound, for each list; the host waits once for all.

        Returns:
            Places in the list and vectors of the grouped side, int64, in any order; None for a
            list with more than ``most`` such pairs.
        """
        ...

    def dots(
        self, left: torch.Tensor, i: torch.Tensor, right: torch.Tensor, j: torch.Tensor
    ) -> torch.Tensor:
        """Return (pairs,), float64: the dots of ``left[i]`` and ``right[j]``, as ``row_dots``."""
        ...


class TorchProducts:
    """``Products`` in torch: scores are written to memory and read again for every decision."""

    fused = False
    members_at_once = 2**28

    def __init__(self, tile: int = 128, tile_scores: int = TILE_SCORES) -> None:
        """Take sizes on which no result depends."""
        self.tile = tile
        self._tile_scores = tile_scores

    def peaks(
        self,
        tests: torch.Tensor,
        block: torch.Tensor,
        limits: torch.Tensor,
        group: int,
        row_group: int,
    ) -> Peaks:
        """See ``Products.peaks``."""
        number, width = len(tests), len(block)
        empty = tests.new_empty
        columns = empty(len(limits), number // group, width, dtype=torch.float32)
        found = empty(-(-width // row_group), number, dtype=torch.float32) if row_group else None
        height, breadth = self._tile_sides(group, row_group or 1, number, width)
        score, left = (empty(height * breadth, dtype=torch.float32) for _ in range(2))
        for start, first in product(range(0, number, height), range(0, width, breadth)):
            part, rows = slice(start, start + height), slice(first, first + breadth)
            size = len(tests[part]), len(block[rows])
            scores, margins = (one[: math.prod(size)].view(size) for one in (score, left))
            _product(tests[part], block[rows], scores)
            groups = slice(start // group, (start + len(scores)) // group)
            for decision, limit in enumerate(limits[:, part, None]):
                # The first limits are 0, or those of copies.
                values = torch.sub(scores, limit, out=margins) if decision else scores
                grouped = torch.unflatten(values, 0, (-1, group))
                torch.amax(grouped, dim=1, out=columns[decision, groups, rows])
            if found is not None:
                _peaks_of_rows(scores, row_group, found[first // row_group :, part])
        return Peaks(columns, found)

    def _tile_sides(self, group: int, row_group: int, number: int, width: int) -> tuple[int, int]:
        """Return how many tests and rows to multiply at a time.

        As many of both, because each tile reads its vectors again.
        """
        side = math.isqrt(self._tile_scores)
        height = min(max(1, side // group) * group, number)
        breadth = max(1, self._tile_scores // height // row_group) * row_group
        return height, min(breadth, width)

    def members(self, lists: Sequence[Shortlist], most: int) -> list[Members]:
        """See ``Products.members``."""
        masks = [_members(one) for one in lists]
        totals = torch.stack([mask.sum() for mask in masks]).tolist()
        found: list[Members] = []
        for one, mask, total in zip(lists, masks, totals, strict=True):
            if total > most:
                found.append(None)
                continue
            pair, member = torch.nonzero_static(mask, size=total).unbind(1)
            first = np.repeat(np.arange(len(one.counts)) * one.group, one.counts)
            found.append((pair, member + uploaded(first, pair.device)[pair]))
        return found

    def dots(
        self, left: torch.Tensor, i: torch.Tensor, right: torch.Tensor, j: torch.Tensor
    ) -> torch.Tensor:
        """See ``Products.dots``."""
        dots = torch.empty(len(i), dtype=torch.float64, device=left.device)
        for start in range(0, len(i), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            dots[part] = row_dots(left[i[part]], right[j[part]])
        return dots


def _peaks_of_rows(scores: torch.Tensor, row_group: int, out: torch.Tensor) -> None:
    """Write the largest scores of groups of rows, (groups, tests); the last may have fewer rows."""
    whole = scores.shape[1] // row_group
    grouped = torch.unflatten(scores[:, : whole * row_group], 1, (whole, row_group))
    out[:whole] = grouped.amax(dim=2).T
    if whole * row_group < scores.shape[1]:
        out[whole] = scores[:, whole * row_group :].amax(dim=1)


def _members(one: Shortlist) -> torch.Tensor:
    """Return (pairs, group), bool: which members of its group reach the bound of a pair."""
    mask = torch.zeros(len(one.other), one.group, dtype=torch.bool, device=one.other.device)
    ends = np.cumsum([0, *one.counts]).tolist()
    for group, (start, end) in enumerate(pairwise(ends)):
        if start == end:
            continue
        rows = slice(group * one.group, (group + 1) * one.group)
        members = one.grouped[rows]
        scores = members.new_empty(end - start, len(members), dtype=torch.float32)
        _product(one.others[one.other[start:end]], members, scores)
        near = mask[start:end, : len(members)]
        for limit, bound in zip(one.limits[:, rows], one.bounds[:, start:end], strict=True):
            near |= scores - limit >= bound[:, None]
    return mask


def uploaded(values: Rows, device: torch.device) -> torch.Tensor:
    """Return an array of the host on the device, without waiting for the copy."""
    return torch.from_numpy(values).pin_memory().to(device, non_blocking=True)


def _product(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    with float32_sums():
        return torch.mm(left, right.T, out_dtype=torch.float32, out=out)


@contextlib.contextmanager
def float32_sums() -> Iterator[None]:
    """Let cuBLAS sum in float32, all of it: otherwise it may sum parts in float16."""
    settings = torch.backends.cuda.matmul
    before = settings.allow_fp16_reduced_precision_reduction, settings.allow_fp16_accumulation
    settings.allow_fp16_reduced_precision_reduction = False
    settings.allow_fp16_accumulation = False
    try:
        yield
    finally:
        (
            settings.allow_fp16_reduced_precision_reduction,
            settings.allow_fp16_accumulation,
        ) = before
