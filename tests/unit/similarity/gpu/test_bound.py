"""How far products may be off: of adders that were modelled, and of this card's."""

import numpy as np
import oracle
import pytest
import torch
from any_gpu import any_gpu
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.similarity.gpu.operands import operand
from gapmatch.similarity.gpu.products import TorchProducts, float32_sums
from gapmatch.similarity.gpu.shortlist import score_error
from gapmatch.similarity.screening import sum_error


def cut(values, exponent):
    """Cut numbers below 2^-23 of 2^exponent, towards zero."""
    unit = 2.0 ** (exponent - 23)
    return np.trunc(values / unit) * unit


def leading(values):
    """The exponent of the leading bit; of 0 a very small one."""
    return np.floor(np.log2(np.maximum(np.abs(values), 2.0**-200)))


def added(addends):
    """Sum (n, m) over m as a unit does that aligns to the largest, and cuts what is below."""
    exponent = leading(addends).max(axis=1, keepdims=True)
    total = cut(addends, exponent).sum(axis=1)
    return cut(total, leading(total))


def summed(products, terms, parts):
    """Sum (n, dim) with adders of so many products and the sum so far, in so many parts."""
    sums = []
    for part in np.array_split(products, parts, axis=1):
        total = np.zeros(len(products))
        for start in range(0, part.shape[1], terms):
            total = added(np.column_stack([total, part[:, start : start + terms]]))
        sums.append(total)
    return added(np.column_stack(sums))


def cancelling(rng, rows, dim):
    """Large parts that cancel, and many small ones that an aligned sum cuts."""
    vectors = rng.uniform(0.5, 1, (rows, dim)) * 2.0 ** rng.integers(-9, 0, (rows, dim))
    return oracle.stored(vectors)


MAKERS = {
    "random": oracle.unit_vectors,
    "all positive": lambda rng, rows, dim: np.abs(oracle.unit_vectors(rng, rows, dim)),
    "of many sizes": cancelling,
}


@given(
    seed=oracle.seeds,
    make=st.sampled_from(list(MAKERS.values())),
    dim=st.sampled_from([1, 16, 100, 640]),
    terms=st.sampled_from([1, 2, 4, 8, 16, 1000]),
    parts=st.integers(1, 5),
    alternating=st.booleans(),
)
def test_adders_of_many_numbers_stay_within_the_bound(seed, make, dim, terms, parts, alternating):
    rng = np.random.default_rng(seed)
    x, y = (make(rng, 20, dim).astype(np.float64) for _ in range(2))
    if alternating:
        y = y * np.where(np.arange(dim) % 2, 1, -1)
    products = x * y
    lost = np.abs(summed(products, terms, min(parts, dim)) - products.sum(axis=1))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    assert (lost <= sum_error(dim, fused=True) * lengths).all()


def test_adders_of_many_numbers_lose_more_than_those_of_two_rounded_numbers():
    rng = np.random.default_rng(0)
    products = MAKERS["all positive"](rng, 200, 640).astype(np.float64) ** 2
    lost = np.abs(summed(products, 1, 1) - products.sum(axis=1)).max()
    rounded = np.zeros(200, np.float32)
    for column in products.T.astype(np.float32):
        rounded += column
    assert lost > 5 * np.abs(rounded - products.sum(axis=1)).max()


@pytest.mark.parametrize("dim", [16, 100, 640, 1024])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_scores_of_this_card_stay_within_the_bound(make, dim):
    """By torch, by the kernels, and by torch over parts of the dimensions."""
    from gapmatch.similarity.gpu.triton_products import Tiles, TritonProducts

    rng = np.random.default_rng(dim)
    x, y = make(rng, 64, dim), make(rng, 96, dim)
    y[::2] = -y[::2]
    exact = oracle.similarity_matrix(x, y)
    torch_products = TorchProducts(32)
    with any_gpu():
        left, right = (operand(torch.from_numpy(one).to("cuda"), torch_products) for one in (x, y))
        error = float(score_error(left, right))
        limits = torch.zeros(1, 64, device="cuda")
        for products in (torch_products, TritonProducts(Tiles(32, 64))):
            # Groups of one row of y and 32 of x.
            peaks = products.peaks(left.half, right.half, limits, 32, 1)
            assert peaks.rows is not None
            assert np.abs(peaks.rows.cpu().numpy() - exact.T).max() <= error
        with float32_sums():
            halves = [
                torch.mm(left.half[:, part], right.half[:, part].T, out_dtype=torch.float32)
                for part in (slice(0, dim // 2), slice(dim // 2, dim))
            ]
        assert np.abs((halves[0] + halves[1]).cpu().numpy() - exact).max() <= error


def test_square_roots_and_quotients_of_this_card_are_numpys():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.9, 1.1, (2, 1_000_000))
    with any_gpu():
        a, b = (torch.from_numpy(one).to("cuda") for one in (x, y))
        np.testing.assert_array_equal(a.sqrt().cpu().numpy(), np.sqrt(x))
        np.testing.assert_array_equal((a / b).cpu().numpy(), x / y)
