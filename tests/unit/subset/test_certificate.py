import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.running.errors import InputError
from gapmatch.subset import certificate
from gapmatch.subset.certificate import (
    REFERENCE,
    TOLERANCE,
    Chunk,
    Profile,
    _product,
    certify,
    profiles,
)
from gapmatch.subset.certificate_tables import nearest_table, profile_table


def write(folder, name, vectors):
    path = folder / f"{name}.npy"
    np.save(path, vectors)
    return path


def chunk(path, kept):
    """An embedding file, and the rows that each subset keeps of it."""
    rows = len(np.load(path, allow_pickle=False))
    masks = {name: np.isin(np.arange(rows), chosen) for name, chosen in kept.items()}
    return Chunk(path, rows, lambda: masks)


def whole(path, rows):
    return Chunk(path, rows, lambda: {REFERENCE: np.ones(rows, bool)})


TESTS = {"a": 3, "b": 5}


@settings(max_examples=20)
@given(
    seed=oracle.seeds,
    ranks=st.integers(1, 60),
    block=st.integers(5, 90),
    tests_at_once=st.integers(1, 6),
    split=st.integers(0, 8),
    cut=st.integers(1, 79),
    subsets=st.lists(
        st.tuples(st.integers(0, 80), st.sampled_from([("a", "b"), ("b",), ("b", "a")])),
        min_size=1,
        max_size=3,
    ),
)
def test_profiles_agree_with_the_oracle(
    tmp_path_factory, seed, ranks, block, tests_at_once, split, cut, subsets
):
    folder = tmp_path_factory.mktemp("certificate")
    rng = np.random.default_rng(seed)
    reference, pool = oracle.unit_vectors(rng, 8, 16), oracle.unit_vectors(rng, 80, 16)
    pool[rng.permutation(80)[:20]] = pool[0]  # many are copies
    tests = {name: oracle.unit_vectors(rng, number, 16) for name, number in TESTS.items()}
    kept = {f"s{n}": np.sort(rng.permutation(80)[:size]) for n, (size, _) in enumerate(subsets)}
    named = {f"s{n}": names for n, (_, names) in enumerate(subsets)}
    parts = [write(folder, "p0", pool[:cut]), write(folder, "p1", pool[cut:])]
    files = {name: write(folder, name, vectors) for name, vectors in tests.items()}
    reference_chunks = [
        whole(write(folder, "r0", reference[:split]), split),
        whole(write(folder, "r1", reference[split:]), 8 - split),
    ]

    def measure(subsets):
        pool_chunks = [
            chunk(parts[0], {name: kept[name][kept[name] < cut] for name in subsets}),
            chunk(parts[1], {name: kept[name] - cut for name in subsets}),
        ]
        return profiles(files, subsets, reference_chunks, pool_chunks, ranks, block, "cpu")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificate, "TESTS_AT_ONCE", tests_at_once)
        measured = measure(named)
        assert list(measured) == list(named)
        for subset, rows in kept.items():
            assert list(measured[subset]) == list(named[subset])
            for name, profile in measured[subset].items():
                for found, vectors in ((profile.reference, reference), (profile.pool, pool[rows])):
                    expected = descending(oracle.similarity_matrix(tests[name], vectors))
                    length = max(50, ranks)
                    assert found.shape == (TESTS[name], length)
                    expected = expected[:, :length]
                    np.testing.assert_allclose(found[:, : len(vectors)], expected, atol=1e-6)
                    assert (found[:, len(vectors) :] == -np.inf).all()
        # Who shares the pass changes no bit.
        alone = measure({"s0": named["s0"]})
    for name, profile in alone["s0"].items():
        np.testing.assert_array_equal(profile.pool, measured["s0"][name].pool)
        np.testing.assert_array_equal(profile.reference, measured["s0"][name].reference)
    means = profile_table(measured["s0"]).filter(test_set="b", rank=3)
    both = np.concatenate([reference, pool[kept["s0"]]])
    expected = descending(oracle.similarity_matrix(tests["b"], both))[:, 2]
    (row,) = means.filter(curve="training set").iter_rows(named=True)
    assert row["mean"] == pytest.approx(expected.mean(), abs=1e-6)
    assert row["low"] == pytest.approx(np.quantile(expected, 0.05), abs=1e-6)
    assert (means.filter(curve="pool")["mean"][0] is None) == (len(kept["s0"]) < 3)


def descending(similarities):
    return -np.sort(-similarities, axis=1)


def profile(reference, pool):
    return Profile(np.array(reference, np.float32), np.array(pool, np.float32)[:, None])


def test_the_threshold_is_the_matched_rank_plus_the_offset():
    measured = {"sketch": profile([[0.9, 0.8], [0.7, 0.5]], [0.85, 0.5])}
    assert certify(measured, 1, 0.0)["violations"] == 0
    found = certify(measured, 2, 0.0)
    assert found["violations"] == 1
    assert found["max_excess"] == pytest.approx(0.05, abs=1e-6)
    assert certify(measured, 2, 0.06)["violations"] == 0
    assert certify(measured, 1, -0.1)["violations"] == 1


def test_violations_start_above_the_tolerance_and_add_up_over_test_sets():
    measured = {
        "a": profile([[0.5]] * 3, [0.5, 0.5 + 0.5 * TOLERANCE, 0.5 + 2 * TOLERANCE]),
        "b": profile([[0.5]] * 2, [0.9, 0.6]),
        "c": profile([[0.5]], [-np.inf]),
    }
    found = certify(measured, 1, 0.0)
    assert [found["test_sets"][name]["violations"] for name in "abc"] == [1, 2, 0]
    assert found["test_sets"]["c"]["max_excess"] is None
    assert (found["violations"], found["test_images"]) == (3, 6)
    assert found["max_excess"] == pytest.approx(0.4)
    table = nearest_table(measured)
    assert table["test_row"].to_list() == [0, 1, 2, 0, 1, 0]
    assert table["pool_similarity"].to_list()[-1] is None


def test_files_that_cannot_be_compared_are_input_errors(tmp_path):
    rng = np.random.default_rng(0)
    good = write(tmp_path, "good", oracle.unit_vectors(rng, 3, 4))
    bad = write(tmp_path, "bad", np.full((3, 4), np.nan, np.float16))
    every = {"s": ["a"]}

    def measure(tests, pool):
        kept = Chunk(pool, 3, lambda: {"s": np.ones(3, bool)})
        profiles({"a": tests}, every, [whole(good, 3)], [kept], 1, 8, "cpu")

    with pytest.raises(InputError, match=r"bad\.npy: holds a vector"):
        measure(good, bad)
    bad.write_text("404")
    with pytest.raises(InputError, match=r"bad\.npy: not a readable"):
        measure(bad, good)


def test_products_are_float32_where_tf32_is_turned_on(monkeypatch):
    """As ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1`` does, which containers set."""
    settings = torch.backends.cuda.matmul
    before, settings.allow_tf32 = settings.allow_tf32, True
    seen = []
    multiply = torch.matmul

    def recorded(left, right):
        seen.append(settings.allow_tf32)
        return multiply(left, right)

    monkeypatch.setattr(torch, "matmul", recorded)
    tests = torch.eye(3)
    try:
        rows = _product(tests, torch.eye(3)[:2])
        assert seen == [False]
        assert settings.allow_tf32
    finally:
        settings.allow_tf32 = before
    assert torch.equal(rows, tests[:, :2])
