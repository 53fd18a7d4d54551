import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.embedding_files import normalised
from gapmatch.errors import InputError
from gapmatch.similarity import fused
from gapmatch.similarity.engine import limit_threads, make_engine
from gapmatch.similarity.exact import PRODUCT_ERROR, exact_similarity

RANKS = (1, 2, 5)
engines = pytest.mark.parametrize("name", ["fused", "faiss"])


@pytest.fixture(autouse=True)
def one_thread():
    limit_threads(1)


@engines
@settings(deadline=None, max_examples=40)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    rows=st.integers(0, 40),
    tests=st.integers(1, 20),
    block=st.integers(1, 17),
    tile=st.sampled_from([1, 20, 512]),
)
def test_margins_agree_with_the_oracle(name, seed, make, rows, tests, block, tile):
    rng = np.random.default_rng(seed)
    reference, test, pool = (make(rng, count, 6) for count in (12, tests, rows))
    # Duplicates: of reference images, of test images, among test images, within the pool.
    pool[: rows // 3] = reference[rng.integers(0, 12, rows // 3)]
    pool[rows // 3 : rows // 2] = test[rng.integers(0, tests, rows // 2 - rows // 3)]
    test[tests // 2 :] = test[rng.integers(0, tests, tests - tests // 2)]
    limits = oracle.thresholds(test, reference, RANKS)
    engine = make_engine(name, "cpu")
    if name == "fused":
        engine._tile_scores = tile

    found = engine.margins(pool, test, limits, block)

    if rows:
        similarity, row, margin = oracle.margins(pool, test, limits)
        np.testing.assert_array_equal(found.nearest_test_row, row)
        np.testing.assert_array_equal(found.nearest_similarity, similarity.astype(np.float32))
        np.testing.assert_array_equal(found.margins, margin.astype(np.float32))
    assert found.margins.shape == (len(RANKS), rows)
    assert (found.margins[0, : rows // 3] <= 0).all(), "duplicates of the reference are kept"


@engines
def test_a_nearest_reference_image_in_the_pool_has_margin_exactly_zero(name):
    rng = np.random.default_rng(3)
    reference = oracle.unit_vectors(rng, 500, 640)
    test = oracle.stored(reference[:200] + rng.normal(0, 0.01, (200, 640)))
    limits = oracle.thresholds(test, reference, [1])
    engine = make_engine(name, "cpu")
    found = engine.neighbours(test, reference, 1, 64)
    np.testing.assert_array_equal(found.similarity[:, 0], limits[0])
    margins = engine.margins(reference[:200], test, found.similarity.T, 33).margins
    assert (margins == 0.0).all()


@engines
@settings(deadline=None, max_examples=40)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    rows=st.integers(0, 60),
    queries=st.integers(1, 12),
    k=st.integers(1, 70),
    block=st.integers(1, 25),
)
def test_neighbours_agree_with_the_oracle(name, seed, make, rows, queries, k, block):
    rng = np.random.default_rng(seed)
    base, query = make(rng, rows, 5), make(rng, queries, 5)
    base[rows // 2 :] = base[rng.integers(0, max(rows, 1), rows - rows // 2)]
    found = make_engine(name, "cpu").neighbours(query, base, k, block)
    similarity, row = oracle.neighbours(query, base, k)
    assert found.row.shape == (queries, min(k, rows))
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.similarity, similarity)


@engines
def test_many_equal_rows_are_listed_by_row_across_blocks(name):
    rng = np.random.default_rng(0)
    base = np.repeat(oracle.unit_vectors(rng, 1, 16), 300, axis=0)
    found = make_engine(name, "cpu").neighbours(oracle.unit_vectors(rng, 3, 16), base, 20, 64)
    np.testing.assert_array_equal(found.row, np.tile(np.arange(20), (3, 1)))


def near_ties(rng, rows, dim):
    """One vector, with one small component changed by one unit in the last place per row."""
    vectors = np.repeat(oracle.unit_vectors(rng, 1, dim), rows, axis=0)
    small = np.argsort(np.abs(vectors[0]))[: dim // 4]
    place = rng.choice(small, rows)
    changed = vectors[np.arange(rows), place]
    vectors[np.arange(rows), place] = np.nextafter(changed, np.float16(rng.choice([-1, 1])))
    return vectors


@engines
@pytest.mark.parametrize("block", [50, 300])
def test_pairs_that_float32_cannot_tell_apart_are_decided_exactly(name, block):
    rng = np.random.default_rng(11)
    crowd = near_ties(rng, 300, 640)
    others = oracle.stored(crowd[:40] + rng.normal(0, 0.02, (40, 640)))
    engine = make_engine(name, "cpu")

    found = engine.neighbours(others, crowd, 7, block)
    similarity, row = oracle.neighbours(others, crowd, 7)
    assert (np.diff(np.sort(oracle.similarity_matrix(others, crowd))) < PRODUCT_ERROR).all()
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.similarity, similarity)

    limits = oracle.thresholds(crowd, oracle.unit_vectors(rng, 9, 640), [1])
    limits[:] = limits.mean() + rng.normal(0, 1e-7, limits.shape)
    margins = engine.margins(others, crowd, limits, block)
    _, nearest, margin = oracle.margins(others, crowd, limits)
    np.testing.assert_array_equal(margins.nearest_test_row, nearest)
    np.testing.assert_array_equal(margins.margins, margin.astype(np.float32))


def test_float32_embeddings_give_the_same_result_for_every_block_size():
    rng = np.random.default_rng(1)
    pool, test = (normalised(oracle.unit_vectors(rng, rows, 48)) for rows in (90, 30))
    limits = oracle.thresholds(test, test[::-1], [2])
    results = [
        make_engine(name, "cpu").margins(pool, test, limits, block)
        for name in ("fused", "faiss")
        for block in (1, 7, 90)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].margins, other.margins)
        np.testing.assert_array_equal(results[0].nearest_test_row, other.nearest_test_row)


@pytest.mark.parametrize("dim", [128, 640, 1024, 2048])
def test_float32_products_stay_within_the_assumed_error(dim):
    rng = np.random.default_rng(dim)
    # Close pairs of one sign are the worst case for rounding.
    x = np.abs(oracle.unit_vectors(rng, 300, dim))
    y = oracle.stored(x + np.abs(rng.normal(0, 0.001, x.shape)))
    product = (normalised(x) @ normalised(y).T).diagonal()
    assert np.abs(product - exact_similarity(x, y)).max() < PRODUCT_ERROR / 2


def test_similarity_of_equal_vectors_is_one_and_does_not_depend_on_order():
    rng = np.random.default_rng(2)
    x = oracle.unit_vectors(rng, 100, 640)
    shuffled = rng.permutation(640)
    assert (exact_similarity(x, x) == 1.0).all()
    y = x[::-1]
    np.testing.assert_array_equal(
        exact_similarity(x, y), exact_similarity(x[:, shuffled], y[:, shuffled])
    )


def test_dimensions_must_agree():
    rng = np.random.default_rng(0)
    x, y = oracle.unit_vectors(rng, 3, 4), oracle.unit_vectors(rng, 3, 5)
    for name in ("fused", "faiss"):
        with pytest.raises(InputError, match="dimensions"):
            make_engine(name, "cpu").neighbours(x, y, 1, 10)


def test_faiss_refuses_the_gpu_and_cuda_must_exist(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU"):
        make_engine("fused", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(InputError, match=r"compute\.engine"):
        make_engine("faiss", "cuda")
    assert isinstance(make_engine("auto", "cpu"), fused.FusedEngine)
