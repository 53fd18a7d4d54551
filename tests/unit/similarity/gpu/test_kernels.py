"""The Triton kernels, in the interpreter where there is no GPU, against NumPy in float64."""

from unittest import mock

import numpy as np
import oracle
import pytest
import torch
from any_gpu import AnyGpu, any_gpu
from pretend_cuda import pretend_gpu

from gapmatch.similarity.engine import PoolMargins, TestVectors
from gapmatch.similarity.gpu.choice import LEAST_CAPABILITY, fastest_products
from gapmatch.similarity.gpu.products import Shortlist, TorchProducts

SIZES = [
    # tests in groups of, groups, rows, dimensions, decisions, rows of a group
    (32, 1, 1, 16, 1, 0),
    (32, 3, 45, 17, 3, 1),
    (64, 2, 70, 100, 4, 8),
    (96, 2, 33, 31, 0, 16),
    (32, 1, 640, 16, 2, 32),
    (32, 2, 40, 1024, 2, 4),
]


def kernels(side=32, depth=32):
    # Imported here: beside a GPU they are compiled, elsewhere interpreted.
    from gapmatch.similarity.gpu.triton_products import Tiles, TritonProducts

    return TritonProducts(Tiles(side, depth))


def tensors(seed, tests, rows, dim, decisions):
    rng = np.random.default_rng(seed)
    tests, block = oracle.unit_vectors(rng, tests, dim), oracle.unit_vectors(rng, rows, dim)
    limits = rng.uniform(-1, 1, (decisions, len(tests))).astype(np.float32)
    limits[:1] = 0
    scores = tests.astype(np.float64) @ block.astype(np.float64).T
    return tests, block, limits, scores


def on_device(*arrays):
    return [torch.from_numpy(array).to("cuda") for array in arrays]


def largest_of_groups(scores, size):
    """(groups, columns): the largest score of each group of rows; the last may be smaller."""
    starts = np.arange(0, len(scores), size)
    return np.maximum.reduceat(scores, starts, axis=0)


@pytest.mark.parametrize(("group", "groups", "rows", "dim", "decisions", "row_group"), SIZES)
def test_peaks_are_the_largest_scores_of_groups(group, groups, rows, dim, decisions, row_group):
    tests, block, limits, scores = tensors(0, group * groups, rows, dim, decisions)
    columns = [largest_of_groups(scores - limit[:, None], group) for limit in limits]
    with any_gpu(errs=False):
        for products in (kernels(), TorchProducts(32, 2**10)):
            peaks = products.peaks(*on_device(tests, block, limits), group, row_group)
            assert peaks.columns.shape == (decisions, groups, rows)
            for found, expected in zip(peaks.columns, columns, strict=True):
                np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-6)
            assert (peaks.rows is None) == (row_group == 0)
            if row_group:
                expected = largest_of_groups(scores.T, row_group)
                np.testing.assert_allclose(peaks.rows.cpu().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 16, 32, 96])
@pytest.mark.parametrize("dim", [16, 75])
def test_members_are_those_that_reach_a_bound(size, dim):
    """Groups of which the last is smaller, of which some have no pair, and one many."""
    tests, block, limits, scores = tensors(1, 100, 90, dim, 3)
    rng = np.random.default_rng(2)
    groups = -(-len(tests) // size)
    counts = rng.integers(0, 3, groups)
    counts[rng.integers(0, groups)] = 70
    other = rng.integers(0, len(block), counts.sum())
    bounds = rng.uniform(0.4, 1.5, (3, len(other))).astype(np.float32)
    # Of no pair is it a matter of rounding.
    for bound, limit in zip(bounds, limits, strict=True):
        left = scores - limit[:, None]
        while (close := (np.abs(left[:, other] - bound) < 1e-5).any(axis=0)).any():
            bound[close] += 1e-4
    expected = set()
    for pair, group in enumerate(np.repeat(np.arange(groups), counts)):
        for member in range(group * size, min((group + 1) * size, len(tests))):
            if (scores[member, other[pair]] - limits[:, member] >= bounds[:, pair]).any():
                expected.add((pair, member))
    assert 0 < len(expected) < size * len(other)
    with any_gpu(errs=False):
        grouped, others, limits, other, bounds = on_device(tests, block, limits, other, bounds)
        one = Shortlist(grouped, size, others, counts.tolist(), other, limits, bounds)
        for products in (kernels(), TorchProducts()):
            for pair, member in products.members([one, one], len(expected)):
                found = list(zip(pair.tolist(), member.tolist(), strict=True))
                assert len(found) == len(expected)
                assert set(found) == expected
            assert products.members([one], len(expected) - 1) == [None]


def test_more_members_than_there_was_room_for_are_all_found():
    tests, block, limits, _ = tensors(1, 96, 40, 16, 1)
    with any_gpu():
        grouped, others, limits, other = on_device(tests, block, limits, np.arange(40))
        bounds = torch.full((1, 40), -2.0, device="cuda")
        one = Shortlist(grouped, 96, others, [40], other, limits, bounds)
        ((pair, member),) = kernels().members([one], 2**20)
        assert sorted((pair * 96 + member).tolist()) == list(range(40 * 96))


@pytest.mark.parametrize("dim", [16, 17, 1024])
def test_exact_dots_are_the_processors_bit_for_bit(dim):
    rng = np.random.default_rng(0)
    left, right = oracle.unit_vectors(rng, 90, dim), oracle.unit_vectors(rng, 70, dim)
    right[:3] *= np.float16(1e-4)  # below the smallest normal number
    i, j = rng.integers(0, 90, 130), rng.integers(0, 70, 130)
    expected = (left[i].astype(np.float64) * right[j].astype(np.float64)).sum(axis=1)
    with any_gpu():
        for products in (kernels(), TorchProducts()):
            x, y, a, b = on_device(left, right, i, j)
            np.testing.assert_array_equal(products.dots(x, a, y, b).cpu().numpy(), expected)


# What the engine answers with them: what divides nothing, one test image, all k.
SEARCHES = [
    # rows, test images, dimensions, ranks, k, rows of a block
    (61, [1], 16, [1], 0, 61),
    (130, [1, 40, 33], 20, [1, 2, 5], 7, 64),
    (90, [35], 16, [1], 100, 50),
    (40, [20, 3], 1024, [2], 1, 25),
]


@pytest.mark.parametrize(("rows", "numbers", "dim", "ranks", "k", "block"), SEARCHES)
def test_the_engine_answers_as_the_oracle_does(rows, numbers, dim, ranks, k, block):
    rng = np.random.default_rng(5)
    reference, pool = oracle.unit_vectors(rng, 12, dim), oracle.unit_vectors(rng, rows, dim)
    tests = [oracle.unit_vectors(rng, number, dim) for number in numbers]
    pool[: rows // 4] = reference[rng.integers(0, 12, rows // 4)]
    pool[rows // 2 :: 3] = tests[0][0]
    test_sets = [TestVectors(one, oracle.thresholds(one, reference, ranks)) for one in tests]
    found: list[list[PoolMargins]] = [[] for _ in tests]
    engine = AnyGpu(block, products=kernels(depth=32 if dim < 1024 else 256))
    nearest = engine.search(pool, test_sets, k, lambda place, _, part: found[place].append(part))
    for one, parts, neighbours in zip(test_sets, found, nearest, strict=True):
        similarity, row, margin = oracle.margins(pool, one.vectors, one.thresholds)
        rows_found = np.concatenate([part.nearest_test_row for part in parts])
        margins = np.concatenate([part.margins for part in parts], axis=1)
        np.testing.assert_array_equal(rows_found, row)
        np.testing.assert_array_equal(margins, margin.astype(np.float32))
        nearest_found = np.concatenate([part.nearest_similarity for part in parts])
        np.testing.assert_array_equal(nearest_found, similarity.astype(np.float32))
        similarity, row = oracle.neighbours(one.vectors, pool, k)
        np.testing.assert_array_equal(neighbours.row, row)
        np.testing.assert_array_equal(neighbours.similarity, similarity)


def test_kernels_that_run_and_agree_are_taken():
    with any_gpu(errs=False):
        new = torch.cuda.get_device_capability() >= LEAST_CAPABILITY
        assert fastest_products(torch.device("cuda")).fused == new


def test_older_cards_take_torchs_products(caplog):
    """For them Triton compiles products without tensor cores."""
    with pretend_gpu(errs=False), mock.patch("torch.cuda.get_device_capability", lambda _: (7, 5)):
        assert not fastest_products(torch.device("cuda")).fused
    assert "need compute capability 8.0" in caplog.text


@pytest.mark.parametrize("fault", ["fails", "is wrong"])
def test_kernels_that_do_not_run_or_agree_are_not_taken(fault, monkeypatch, caplog):
    from gapmatch.similarity.gpu import triton_products as module

    with any_gpu(errs=False):
        if fault == "fails":
            monkeypatch.setattr(module, "run", lambda *_: 1 / 0)
        else:
            run = module.run

            def wrong(kernel, programs, arguments, sizes):
                run(kernel, programs, arguments, sizes)
                if kernel is module.kernels.peaks:
                    arguments[3].add_(1)

            monkeypatch.setattr(module, "run", wrong)
        assert not fastest_products(torch.device("cuda")).fused
    assert "torch multiplies, more slowly" in caplog.text
