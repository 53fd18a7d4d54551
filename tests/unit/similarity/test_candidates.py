"""What is picked out of the scores, compared with looking at every one of them."""

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.similarity.candidates import ROWS_PER_GROUP, ColumnCandidates, RowCandidates
from gapmatch.similarity.engine import TestVectors, find_margins, find_neighbours
from gapmatch.similarity.fused import FusedEngine
from gapmatch.similarity.grouping import alike_in_groups

# (ranks, tests) of limits, from those that leave nothing to order to those of which no order helps.
LIMITS = {
    "equal": lambda rng, tests: np.full((2, tests), 0.5),
    "falling with the rank": lambda rng, tests: -np.sort(-rng.uniform(0.3, 1, (2, tests)), axis=0),
    "unrelated": lambda rng, tests: rng.uniform(-1, 1, (3, tests)),
    "of two kinds": lambda rng, tests: rng.choice([-1.0, 1.0], (1, tests)),
    "none": lambda rng, tests: np.empty((0, tests)),
}
limits_of = st.sampled_from(list(LIMITS))
# Around the size of a group: one, a group less or more one, several and a part.
numbers = st.sampled_from([1, 2, 15, 16, 17, 31, 33, 100, 130])


@settings(max_examples=150, deadline=None)
@given(
    seed=oracle.seeds,
    kind=limits_of,
    rows=numbers,
    columns=st.integers(1, 40),
    tile=st.integers(1, 140),
    error=st.sampled_from([0.0, 0.01, 0.3]),
    floor=st.sampled_from([-np.inf, -0.2, 0.9]),
    steps=st.sampled_from([4, 1000]),
)
def test_column_candidates_are_the_pairs_near_the_best(
    seed, kind, rows, columns, tile, error, floor, steps
):
    """No more of them either: each costs a float64 product."""
    rng = np.random.default_rng(seed)
    # Few distinct scores: ties within a group, between groups and between tiles.
    scores = torch.from_numpy(rng.integers(-steps, steps, (rows, columns)) / steps).float()
    scores[rng.random(scores.shape) < 0.1] = -torch.inf  # deduplication masks so
    scores[0] = 0.25
    limits = np.concatenate([np.zeros((1, rows)), LIMITS[kind](rng, rows)]).astype(np.float32)
    found = ColumnCandidates(columns, torch.from_numpy(limits), error, floor)
    for start in range(0, rows, tile):
        found.add(scores[start : start + tile], start)

    left = scores - torch.from_numpy(limits)[:, :, None]
    best = left.amax(dim=1, keepdim=True).clamp_min(np.float32(floor + error))
    expected = (left >= best - 2 * error).any(dim=0)
    row, column = found.pairs()
    assert len(row) == len(np.unique(row * columns + column)), "each pair once"
    np.testing.assert_array_equal(np.sort(row * columns + column), np.flatnonzero(expected.numpy()))


@settings(max_examples=100, deadline=None)
@given(
    seed=oracle.seeds,
    k=st.integers(1, 30),
    columns=st.integers(1, 600),
    width=st.integers(1, 300),
    error=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_row_candidates_miss_no_neighbour(seed, k, columns, width, error):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(-50, 50, (21, columns)) / 50
    scores = torch.from_numpy(similarity + rng.uniform(-error, error, similarity.shape)).float()
    found = RowCandidates(len(scores), k)
    for start in range(0, columns, width):
        for first, last in ((0, 8), (8, 21)):
            tile = scores[first:last, start : start + width].contiguous()
            found.add(tile, first, start, error + 1e-6)
    row, column = found.pairs()
    kth = -np.sort(-similarity, axis=1)[:, min(k, columns) - 1]
    needed = np.flatnonzero(similarity >= kth[:, None])
    assert np.isin(needed, row * columns + column).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    kind=limits_of,
    number=numbers,
    tile=st.integers(1, 140),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_limits_of_any_kind_give_the_margins_of_the_oracle(seed, make, kind, number, tile, dtype):
    rng = np.random.default_rng(seed)
    vectors, pool = make(rng, number, 6), make(rng, 70, 6)
    # Copies that the order by limits moves far apart: the lowest row is named all the same.
    vectors[number // 2 :] = vectors[rng.integers(0, number, number - number // 2)]
    tests = TestVectors(vectors, LIMITS[kind](rng, number))
    engine = FusedEngine(1, 4096, 50, tile, dtype)
    found = find_margins(engine, pool, tests)
    similarity, row, margin = oracle.margins(pool, vectors, np.zeros((1, number)))
    np.testing.assert_array_equal(found.nearest_test_row, row)
    np.testing.assert_array_equal(found.nearest_similarity, similarity.astype(np.float32))
    if kind != "none":
        margin = oracle.margins(pool, vectors, tests.thresholds)[2]
        np.testing.assert_array_equal(found.margins, margin.astype(np.float32))
    _, nearest = oracle.neighbours(vectors, pool, 3)
    (searched,) = engine.search(pool, [tests], 3, None)
    np.testing.assert_array_equal(searched.row, nearest)
    np.testing.assert_array_equal(find_neighbours(engine, vectors, pool, 3).row, nearest)


@given(seed=oracle.seeds, kind=limits_of, number=st.integers(1, 200))
def test_the_order_names_every_row_once(seed, kind, number):
    limits = LIMITS[kind](np.random.default_rng(seed), number)
    order = alike_in_groups(limits, ROWS_PER_GROUP)
    np.testing.assert_array_equal(np.sort(order), np.arange(number))


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_neighbours_in_the_order_are_alike_in_every_kind(kinds):
    limits = np.random.default_rng(0).uniform(0, 1, (kinds, 16 * 256))
    grouped = limits[:, alike_in_groups(limits, 16)].reshape(kinds, -1, 16)
    # 256 groups are cells of a grid that halves the ranges eight times in all.
    assert np.ptp(grouped, axis=2).mean() < 1.3 * 2 ** (-8 / kinds)
