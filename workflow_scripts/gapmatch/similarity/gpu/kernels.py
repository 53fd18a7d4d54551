# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""The products as Triton kernels: scores never leave the chip.

A kernel multiplies a tile of a block with all tiles of a group of tests, and keeps of the scores
only the largest of each group. Of the scores of a million samples and fifty thousand tests it
writes 0.05 bytes each instead of 4.
"""

import triton
import triton.language as tl


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
def peaks(
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
def members(
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
def dots(left, i, right, j, out, pairs, dim, BP: tl.constexpr, BK: tl.constexpr):
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
