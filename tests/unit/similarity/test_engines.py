import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracle
import pytest
import torch
from any_gpu import AnyGpu
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.data.embedding_files import embedding_path, open_embeddings
from gapmatch.models.precision import multiply
from gapmatch.running.errors import InputError
from gapmatch.similarity import blocks as block_sizes
from gapmatch.similarity.engine import PoolMargins, TestVectors, find_margins, find_neighbours
from gapmatch.similarity.engines import make_engine
from gapmatch.similarity.exact import Vectors, pair_similarity
from gapmatch.similarity.faiss_engine import FaissEngine
from gapmatch.similarity.fused import FusedEngine
from gapmatch.similarity.normalising import normalised
from gapmatch.similarity.screening import fastest_dtype, score_error, screen

RANKS = (1, 2, 5)
# What a user may choose, and what a machine may choose for itself. None of it changes an answer.
ENGINES = {
    "fused, float32": lambda block, tile: FusedEngine(1, 4096, block, tile, torch.float32),
    "fused, bfloat16": lambda block, tile: FusedEngine(1, 4096, block, tile, torch.bfloat16),
    "fused, 3 threads": lambda block, tile: FusedEngine(3, 4096, block, tile, torch.float32),
    "faiss": lambda block, tile: FaissEngine("cpu", 1, block),
    "fused, GPU": lambda block, tile: AnyGpu(block, tile),
}
engines = pytest.mark.parametrize("make_one", ENGINES.values(), ids=ENGINES.keys())


def assert_margins(found, pool, tests):
    similarity, row, margin = oracle.margins(pool, tests.vectors, tests.thresholds)
    np.testing.assert_array_equal(found.nearest_test_row, row)
    np.testing.assert_array_equal(found.nearest_similarity, similarity.astype(np.float32))
    np.testing.assert_array_equal(found.margins, margin.astype(np.float32))


@engines
@settings(max_examples=40)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    rows=st.integers(0, 200),
    numbers=st.lists(st.integers(1, 50), min_size=1, max_size=3),
    k=st.integers(0, 100),
    block=st.integers(1, 130),
    tile=st.integers(1, 60),
)
def test_one_pass_answers_all_as_the_oracle_does(
    make_one, seed, make, rows, numbers, k, block, tile
):
    rng = np.random.default_rng(seed)
    reference, pool = make(rng, 12, 6), make(rng, rows, 6)
    tests = [make(rng, number, 6) for number in numbers]
    # Duplicates: of reference images, of test images, among test images, within the pool.
    pool[: rows // 4] = reference[rng.integers(0, 12, rows // 4)]
    pool[rows // 4 : rows // 3] = tests[0][rng.integers(0, numbers[0], rows // 3 - rows // 4)]
    pool[rows // 2 :] = pool[rng.integers(0, max(rows, 1), rows - rows // 2)]
    tests[-1][numbers[-1] // 2 :] = tests[-1][0]
    test_sets = [TestVectors(one, oracle.thresholds(one, reference, RANKS)) for one in tests]
    found = [[] for _ in tests]
    starts = []

    def receive(place, start, margins):
        starts.append((start, place))
        found[place].append(margins)

    neighbours = make_one(block, tile).search(pool, test_sets, k, receive)

    assert starts == [(s, p) for s in range(0, rows, block) for p in range(len(tests))]
    for one, parts, nearest in zip(test_sets, found, neighbours, strict=True):
        if rows:
            whole = PoolMargins(
                np.concatenate([part.nearest_similarity for part in parts]),
                np.concatenate([part.nearest_test_row for part in parts]),
                np.concatenate([part.margins for part in parts], axis=1),
            )
            assert_margins(whole, pool, one)
            assert (whole.margins[0, : rows // 4] <= 0).all(), "copies of the reference are kept"
        similarity, row = oracle.neighbours(one.vectors, pool, k)
        assert nearest.row.shape == (len(one.vectors), min(k, rows))
        np.testing.assert_array_equal(nearest.row, row)
        np.testing.assert_array_equal(nearest.similarity, similarity)


@engines
def test_a_nearest_reference_image_in_the_pool_has_margin_exactly_zero(make_one):
    rng = np.random.default_rng(3)
    reference = oracle.unit_vectors(rng, 500, 640)
    test = oracle.stored(reference[:200] + rng.normal(0, 0.01, (200, 640)))
    limits = oracle.thresholds(test, reference, [1])
    engine = make_one(64, 50)
    found = find_neighbours(engine, test, reference, 1)
    np.testing.assert_array_equal(found.similarity[:, 0], limits[0])
    margins = find_margins(engine, reference[:200], TestVectors(test, found.similarity.T)).margins
    assert (margins == 0.0).all()


@engines
def test_many_equal_rows_are_listed_by_row_across_blocks(make_one):
    rng = np.random.default_rng(0)
    base = np.repeat(oracle.unit_vectors(rng, 1, 16), 300, axis=0)
    found = find_neighbours(make_one(64, 2), oracle.unit_vectors(rng, 3, 16), base, 20)
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
def test_pairs_that_float32_cannot_tell_apart_are_decided_exactly(make_one, block):
    rng = np.random.default_rng(11)
    crowd = near_ties(rng, 300, 640)
    others = oracle.stored(crowd[:40] + rng.normal(0, 0.02, (40, 640)))
    engine = make_one(block, 16)

    found = find_neighbours(engine, others, crowd, 7)
    similarity, row = oracle.neighbours(others, crowd, 7)
    assert (np.diff(np.sort(oracle.similarity_matrix(others, crowd))) < 2e-6).all()
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.similarity, similarity)

    limits = oracle.thresholds(crowd, oracle.unit_vectors(rng, 9, 640), [1])
    limits[:] = limits.mean() + rng.normal(0, 1e-7, limits.shape)
    tests = TestVectors(crowd, limits)
    assert_margins(find_margins(engine, others, tests), others, tests)


@engines
@pytest.mark.parametrize("block", [512, 1200])
def test_realistic_sizes_agree_with_the_oracle(make_one, block):
    """Enough columns and rows for every path: groups, crowds, strips, several thinnings out."""
    rng = np.random.default_rng(6)
    centres = rng.standard_normal((30, 64))
    pool, test, reference = (
        oracle.stored(centres[rng.integers(0, 30, n)] + 0.6 * rng.standard_normal((n, 64)))
        for n in (3000, 700, 400)
    )
    tests = TestVectors(test, oracle.thresholds(test, reference, RANKS))
    margins = []
    engine = make_one(block, 200)
    (found,) = engine.search(pool, [tests], 30, lambda _, __, block: margins.append(block))
    similarity, row = oracle.neighbours(test, pool, 30)
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.similarity, similarity)
    assert_margins(find_margins(engine, pool, tests), pool, tests)
    assert sum(len(block.nearest_similarity) for block in margins) == 3000


def test_float32_embeddings_give_the_same_result_for_every_block_size():
    rng = np.random.default_rng(1)
    pool, test = (normalised(oracle.unit_vectors(rng, rows, 48)).numpy() for rows in (90, 30))
    tests = TestVectors(test, oracle.thresholds(test, test[::-1], [2]))
    results = [
        find_margins(make_one(block, 7), pool, tests)
        for make_one in ENGINES.values()
        for block in (1, 7, 90)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].margins, other.margins)
        np.testing.assert_array_equal(results[0].nearest_test_row, other.nearest_test_row)


def pushed_to_the_bound(rng, rows, dim, dtype):
    """Pairs whose components all round the same way, so that errors add up and do not cancel."""
    x = np.abs(oracle.unit_vectors(rng, rows, dim)).astype(np.float32)
    rounded = torch.from_numpy(x).to(dtype).float().numpy()
    # Just above the middle between two numbers of the low precision: all round up, by a half unit.
    unit = np.spacing(np.float32(1)) * 2.0 ** (np.floor(np.log2(np.maximum(rounded, 1e-6))))
    step = unit * (2**16 if dtype == torch.bfloat16 else 1)
    pushed = (rounded + step * np.float32(0.501)).astype(np.float16)
    return oracle.stored(pushed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dim", [16, 128, 640, 2048])
def test_scores_stay_within_the_proven_error(dtype, dim):
    rng = np.random.default_rng(dim)
    worst = 0.0
    for make in (oracle.unit_vectors, pushed_to_the_bound):
        x = make(rng, 60, dim, dtype) if make is pushed_to_the_bound else make(rng, 60, dim)
        y = np.concatenate([x[:30], oracle.unit_vectors(rng, 30, dim)])
        left, right = (screen(normalised(vectors), dtype) for vectors in (x, y))
        scores = multiply(left.vectors, right.vectors, torch.empty(len(x), len(y)))
        error = np.abs(scores.numpy() - oracle.similarity_matrix(x, y))
        worst = max(worst, error.max() / score_error(left, right))
    assert worst < 1
    if dtype == torch.bfloat16:
        assert worst > 0.3, "the adversary comes near the bound, so the bound is not idle"


def test_low_precision_without_its_bound_would_decide_wrongly(monkeypatch):
    rng = np.random.default_rng(2)
    one = oracle.unit_vectors(rng, 1, 640)
    crowd, others = (oracle.stored(one + rng.normal(0, 0.002, (rows, 640))) for rows in (400, 60))
    expected = oracle.neighbours(others, crowd, 5)[1]
    engine = ENGINES["fused, bfloat16"]
    np.testing.assert_array_equal(find_neighbours(engine(100, 32), others, crowd, 5).row, expected)
    monkeypatch.setattr("gapmatch.similarity.fused.score_error", lambda left, right: 1e-7)
    wrong = find_neighbours(engine(100, 32), others, crowd, 5).row != expected
    assert wrong.any()


def test_similarity_of_equal_vectors_is_one_and_does_not_depend_on_order():
    rng = np.random.default_rng(2)
    x = oracle.unit_vectors(rng, 1100, 640)
    shuffled = rng.permutation(640)
    rows, reverse = np.arange(1100), np.arange(1100)[::-1]
    assert (pair_similarity(Vectors(x), rows, Vectors(x), rows) == 1.0).all()
    columns = np.ascontiguousarray(x[:, shuffled])
    np.testing.assert_array_equal(
        pair_similarity(Vectors(x), rows, Vectors(x), reverse),
        pair_similarity(Vectors(columns), rows, Vectors(columns), reverse),
    )


# Input that must not be searched.


def chunk_file(folder, array):
    path = embedding_path(folder, "00007")
    path.parent.mkdir(parents=True)
    np.save(path, array)
    return path


@engines
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "NaN or infinity"),
        (np.inf, "NaN or infinity"),
        (-np.inf, "NaN or infinity"),
        (0.0, "length 0"),
        (1.02, r"length 1\.0[12]"),
        (0.98, r"length 0\.9[78]"),
    ],
)
@pytest.mark.parametrize("place", ["pool", "tests"])
def test_bad_vectors_are_named_before_they_are_multiplied(make_one, value, said, place, tmp_path):
    rng = np.random.default_rng(0)
    vectors = oracle.unit_vectors(rng, 40, 8)
    bad = vectors.copy()
    bad[33] = bad[33] * np.float16(value) if np.isfinite(value) else value
    path = chunk_file(tmp_path, bad)
    stored = open_embeddings(path)
    pool, test = (stored, vectors) if place == "pool" else (vectors, stored)
    tests = TestVectors(test, np.zeros((1, 40)))
    with pytest.raises(InputError, match=f"img_emb_00007.npy: row 33 has {said}"):
        find_margins(make_one(10, 4), pool, tests)


@engines
def test_vectors_a_little_too_long_are_renormalised(make_one):
    rng = np.random.default_rng(0)
    unit = oracle.unit_vectors(rng, 50, 32).astype(np.float32)
    long = (unit * rng.uniform(0.992, 1.008, (50, 1))).astype(np.float16)
    tests = TestVectors(long[:20], np.zeros((1, 20)))
    assert_margins(find_margins(make_one(16, 8), long, tests), long, tests)


@engines
def test_dimensions_must_agree(make_one):
    rng = np.random.default_rng(0)
    x, y = oracle.unit_vectors(rng, 3, 4), oracle.unit_vectors(rng, 3, 5)
    with pytest.raises(InputError, match=r"5 dimensions but .* has 4; both must"):
        find_neighbours(make_one(10, 10), x, y, 1)


@engines
def test_a_single_test_image_and_an_empty_chunk(make_one):
    rng = np.random.default_rng(0)
    one = TestVectors(oracle.unit_vectors(rng, 1, 8), np.array([[0.2]]))
    pool = oracle.unit_vectors(rng, 30, 8)
    pool[4] = pool[20] = one.vectors[0]
    assert_margins(find_margins(make_one(7, 5), pool, one), pool, one)
    found = find_neighbours(make_one(7, 5), one.vectors, pool, 2)
    assert found.row.tolist() == [[4, 20]]
    assert found.similarity.tolist() == [[1.0, 1.0]]
    empty = find_margins(make_one(7, 5), pool[:0], one)
    assert empty.margins.shape == (1, 0)
    assert find_neighbours(make_one(7, 5), one.vectors, pool[:0], 3).row.shape == (1, 0)


@engines
def test_equality_with_the_threshold_has_margin_zero_whatever_the_rounding(make_one):
    """A pool image that is a copy of the K-th nearest reference image is kept for rank K."""
    rng = np.random.default_rng(8)
    reference, test = oracle.unit_vectors(rng, 60, 96), oracle.unit_vectors(rng, 25, 96)
    engine = make_one(9, 8)
    nearest = find_neighbours(engine, test, reference, 7)
    for rank in (1, 3, 7):
        tests = TestVectors(test, nearest.similarity[:, rank - 1][None])
        kth = reference[nearest.row[:, rank - 1]]
        for number in range(len(test)):
            single = TestVectors(
                test[number : number + 1], tests.thresholds[:, number : number + 1]
            )
            margin = find_margins(engine, kth[number : number + 1], single).margins
            assert margin.tolist() == [[0.0]]


# Choices.


def test_engines_by_name_and_device(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert isinstance(make_engine("auto", "cpu", 1, 4096), FusedEngine)
    assert isinstance(make_engine("faiss", "auto", 1, 4096), FaissEngine)
    with pytest.raises(InputError, match="no GPU"):
        make_engine("fused", "cuda", 1, 4096)


@pytest.mark.parametrize(
    ("gain", "chosen"), [(2.3, torch.bfloat16), (1.31, torch.bfloat16), (1.2, torch.float32)]
)
def test_low_precision_is_taken_where_it_pays(monkeypatch, gain, chosen):
    monkeypatch.setattr("gapmatch.similarity.screening.bfloat16_gain", lambda dim: gain)
    assert fastest_dtype(640) == chosen


def test_faiss_without_gpu_code_says_so_or_takes_the_cpu_where_it_may(monkeypatch):
    monkeypatch.delattr("faiss.StandardGpuResources", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert isinstance(make_engine("faiss", "auto", 1, 4096), FaissEngine)
    with pytest.raises(InputError, match=r"compute\.engine: .* no code for it"):
        FaissEngine("cuda", 1)


@given(
    memory=st.integers(1280, 64_000),
    dim=st.sampled_from([128, 640, 1024]),
    tests=st.integers(1, 200_000),
    workers=st.integers(2, 65),
)
def test_blocks_fit_the_memory_or_say_how_much_would(memory, dim, tests, workers):
    def choose(megabytes):
        return block_sizes.choose_blocks(
            dim=dim, tests=tests, neighbours=10, workers=workers, max_memory_mb=megabytes
        )

    try:
        chosen = choose(memory)
    except InputError as error:
        least = int(re.search(r"at least (\d+)", str(error))[1])
        assert least > memory
        chosen = choose(least)
    assert block_sizes.LEAST_BLOCK_ROWS <= chosen.block_rows <= block_sizes.BLOCK_ROWS
    assert chosen.tile_rows >= 1


MEASURE = """
import sys, numpy as np
from gapmatch.data.embedding_files import open_embeddings
from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.engines import make_engine
pool = open_embeddings(__import__("pathlib").Path(sys.argv[1]))[: int(sys.argv[2])]
rng = np.random.default_rng(0)
tests = np.asarray(pool[:2000])
test_sets = [TestVectors(tests[i::2], np.full((2, 1000), 0.9)) for i in (0, 1)]
make_engine("fused", "cpu", 2, int(sys.argv[3])).search(pool, test_sets, 10, lambda *_: None)
# Not getrusage: its peak is inherited from the process that started this one.
(peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_chunk(tmp_path):
    rng = np.random.default_rng(0)
    path = embedding_path(tmp_path, "00000")
    path.parent.mkdir()
    np.save(path, oracle.unit_vectors(rng, 300_000, 256))

    def peak(rows, megabytes):
        command = [sys.executable, "-c", MEASURE, str(path), str(rows), str(megabytes)]
        scripts = Path(block_sizes.__file__).parents[2]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(scripts)}
        )
        return int(done.stdout)

    # Threads may meet at their worst, which adds up to 60 MB now and then. What grows with the
    # chunk is there each time.
    small, large = (min(peak(rows, 4096) for _ in range(5)) for rows in (20_000, 300_000))
    assert large - small < 80, "not even the mapped file, of 146 MB, adds up"
    assert peak(300_000, 1280) < 1280
