"""From the largest scores of groups to the pairs that may win.

A pair can win only if its score is within twice the error of the best score of its decision, so
the peak of its group is too. The host waits for the number of such groups, and for the number of
pairs in them; both once a block for all test sets, unless there are very many.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gapmatch.similarity.gpu.neighbours import NearestRows
from gapmatch.similarity.gpu.operands import Operand
from gapmatch.similarity.gpu.products import Products, Shortlist
from gapmatch.similarity.gpu.queries import Queries
from gapmatch.similarity.screening import sum_error

LISTED_AT_ONCE = 2**20
"""Pairs of a group and a vector that are looked at together, unless one group has more."""

DECIDED_AT_ONCE = 2**24
"""Pairs of two vectors that are decided together."""


@dataclass(frozen=True)
class Groups:
    """The groups that may hold a winner.

    Attributes:
        mask: (groups, others), bool.
        bounds: (decisions, kinds of groups, others), float32: what score less limit must reach.
        kind: (groups,), int64: which of the bounds hold for a group.
        limits: (decisions, vectors in groups), float32.
        grouped: (vectors in groups, dim), float16.
        size: Vectors of a group.
        others: (others, dim), float16.
    """

    mask: torch.Tensor
    bounds: torch.Tensor
    kind: torch.Tensor
    limits: torch.Tensor
    grouped: torch.Tensor
    size: int
    others: torch.Tensor


def score_error(tests: Operand, block: Operand) -> torch.Tensor:
    """Return the bound on |score - similarity| of all pairs, (), float32 (``screening``)."""
    dim = tests.half.shape[1]
    bound = tests.error + (1 + tests.error) * block.error
    bound = bound + sum_error(dim, fused=True) * (1 + tests.error) * (1 + block.error)
    return bound * (1 + 2.0**-20) + 2 * 2.0**-23


def groups_of_tests(queries: Queries, block: Operand, peaks: torch.Tensor) -> Groups:
    """Return the groups of tests that may decide on a row of the block.

    Args:
        queries: The tests.
        block: The block.
        peaks: ``Peaks.columns`` of their product.
    """
    slack = 2 * score_error(queries.vectors, block)
    masks, bounds = [], []
    for start, end in zip([0, *queries.ends], queries.ends, strict=False):
        part = peaks[:, start:end]
        best = part.amax(dim=1)
        # Of a rank that the test set does not have nothing is left, and nothing reaches that.
        bound = (best - slack).masked_fill(best == -torch.inf, torch.inf)
        masks.append((part >= bound[:, None]).any(dim=0))
        bounds.append(bound)
    return Groups(
        torch.cat(masks),
        torch.stack(bounds, dim=1),
        queries.test_set,
        queries.limits,
        queries.vectors.half,
        queries.group,
        block.half,
    )


def groups_of_rows(
    queries: Queries, block: Operand, peaks: torch.Tensor, size: int, nearest: NearestRows
) -> Groups:
    """Return the groups of rows of the block that may hold one of the nearest rows of a test.

    Args:
        queries: The tests.
        block: The block.
        peaks: ``Peaks.rows`` of their product.
        size: Rows of a group.
        nearest: What earlier blocks hold.
    """
    error = score_error(queries.vectors, block)
    bound = (nearest.floor() - error).float()
    if not nearest.full() and len(peaks) >= nearest.k:
        # That many groups hold a row that reaches the k-th largest peak.
        kth = peaks.topk(nearest.k, dim=0).values[-1]
        bound = torch.maximum(bound, kth - 2 * error)
    bound = bound.masked_fill(~queries.real, torch.inf)
    return Groups(
        peaks >= bound,
        bound[None, None],
        queries.test_set.new_zeros(len(peaks)),
        peaks.new_zeros(1, len(block.half)),
        block.half,
        size,
        queries.vectors.half,
    )


def shortlists(products: Products, sides: Sequence[Groups]) -> list[Iterator[Shortlist]]:
    """Return the groups of each side with the vectors for which they may hold a winner."""
    counts = torch.cat([side.mask.sum(dim=1) for side in sides]).tolist()
    lists = []
    for side in sides:
        most = min(LISTED_AT_ONCE, max(1, products.members_at_once // side.size))
        lists.append(_shortlists(side, counts[: len(side.mask)], most))
        counts = counts[len(side.mask) :]
    return lists


def _shortlists(side: Groups, counts: list[int], most: int) -> Iterator[Shortlist]:
    for first, last in _runs(counts, most):
        mask = side.mask[first:last]
        group, other = torch.nonzero_static(mask, size=sum(counts[first:last])).unbind(1)
        bounds = side.bounds[:, side.kind[first:last][group], other]
        of_group = [0] * first + counts[first:last]
        yield Shortlist(side.grouped, side.size, side.others, of_group, other, side.limits, bounds)


def _runs(counts: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut groups into runs of at most ``most`` pairs, or of one group; leave out what has none."""
    first, total = 0, 0
    for place, count in enumerate(counts):
        if total and total + count > most:
            yield first, place
            first, total = place, 0
        total += count
    if total:
        yield first, len(counts)


def pairs(
    products: Products, lists: Sequence[Shortlist]
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Look at the members of the groups in some lists, together.

    Yields:
        The number of a list; of some of its pairs that may win, the vectors of the other side and
        those of the grouped side, int64.
    """
    found = products.members(lists, DECIDED_AT_ONCE)
    for number, (one, of_list) in enumerate(zip(lists, found, strict=True)):
        if of_list is None:
            for half in _halves(one):
                for _, other, member in pairs(products, [half]):
                    yield number, other, member
        else:
            pair, member = of_list
            yield number, one.other[pair], member


def _halves(one: Shortlist) -> Iterator[Shortlist]:
    """Yield a list of at least two pairs in two parts."""
    middle = len(one.other) // 2
    ends = np.cumsum([0, *one.counts])
    for part in (slice(0, middle), slice(middle, len(one.other))):
        counts = np.diff(ends.clip(part.start, part.stop)).tolist()
        yield Shortlist(
            one.grouped,
            one.group,
            one.others,
            counts,
            one.other[part],
            one.limits,
            one.bounds[:, part],
        )
