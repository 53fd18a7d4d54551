import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.running.errors import InputError
from gapmatch.subset.certificate import (
    TOLERANCE,
    Profile,
    _product,
    certify,
    nearest_table,
    profile_table,
    profiles,
)


def write(folder, name, vectors):
    path = folder / f"{name}.npy"
    np.save(path, vectors)
    return path


@settings(max_examples=20)
@given(
    seed=oracle.seeds,
    rank=st.integers(1, 8),
    block=st.integers(1, 12),
    split=st.integers(0, 8),
    kept=st.integers(0, 20),
)
def test_profiles_agree_with_the_oracle(tmp_path_factory, seed, rank, block, split, kept):
    folder = tmp_path_factory.mktemp("certificate")
    rng = np.random.default_rng(seed)
    reference, pool = oracle.unit_vectors(rng, 8, 16), oracle.unit_vectors(rng, 20, 16)
    tests = {"a": oracle.unit_vectors(rng, 3, 16), "b": oracle.unit_vectors(rng, 5, 16)}
    rows = np.sort(rng.permutation(20)[:kept])
    measured = profiles(
        {name: write(folder, name, vectors) for name, vectors in tests.items()},
        [
            (write(folder, "r0", reference[:split]), np.arange(split)),
            (write(folder, "r1", reference[split:]), np.arange(8 - split)),
        ],
        [(write(folder, "pool", pool), rows)],
        rank,
        block,
        "cpu",
    )
    assert list(measured) == ["a", "b"]
    for name, profile in measured.items():
        for found, vectors in ((profile.reference, reference), (profile.pool, pool[rows])):
            expected = descending(oracle.similarity_matrix(tests[name], vectors))
            np.testing.assert_allclose(found[:, : len(vectors)], expected, atol=1e-6)
            assert (found[:, len(vectors) :] == -np.inf).all()
    means = profile_table(measured).filter(test_set="b", rank=3)
    both = np.concatenate([reference, pool[rows]])
    expected = descending(oracle.similarity_matrix(tests["b"], both))[:, 2]
    (row,) = means.filter(curve="training set").iter_rows(named=True)
    assert row["mean"] == pytest.approx(expected.mean(), abs=1e-6)
    assert row["low"] == pytest.approx(np.quantile(expected, 0.05), abs=1e-6)
    assert (means.filter(curve="pool")["mean"][0] is None) == (kept < 3)


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
    rows = np.arange(3)
    with pytest.raises(InputError, match="too few to match rank 4"):
        profiles({"a": good}, [(good, rows)], [(good, rows)], 4, 8, "cpu")
    with pytest.raises(InputError, match=r"bad\.npy: holds a vector"):
        profiles({"a": good}, [(good, rows)], [(bad, rows)], 1, 8, "cpu")
    bad.write_text("404")
    with pytest.raises(InputError, match=r"bad\.npy: not a readable"):
        profiles({"a": bad}, [(good, rows)], [(good, rows)], 1, 8, "cpu")


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
