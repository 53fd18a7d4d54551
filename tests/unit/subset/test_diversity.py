"""Measures of diversity against plain float64 on the whole subset at once."""

import json
import re

import numpy as np
import oracle
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_balanced import CAPTIONS, with_metadata

import measure_subset
from gapmatch.subset import diversity, measuring


def measured(study, subset, *more):
    out = study.root / "subsets" / subset / "diversity.json"
    study.run(
        measure_subset,
        *("--subset", subset, "--kept", study.root / "subsets" / subset / "kept"),
        *(*study.pool, *more, "--threads", 1, "--out", out),
    )
    return json.loads(out.read_text())


def vendi(matrix: np.ndarray) -> float:
    """Return the score from the whole similarity matrix."""
    values = np.linalg.eigvalsh(matrix / len(matrix))
    values = values[values > 1e-14]
    return float(np.exp(-(values * np.log(values)).sum()))


@pytest.mark.parametrize("block", [7, 4096])
def test_measures_are_those_of_all_samples_at_once(make_study, monkeypatch, block):
    monkeypatch.setattr(diversity, "BLOCK", block)
    monkeypatch.setattr(measuring, "SAMPLES", 11)
    study = make_study()
    captions = [CAPTIONS[place] for place in np.random.default_rng(1).integers(7, size=60)]
    with_metadata(study, captions, [None] * 60)
    study.cluster("clustering", 8)
    study.select("some", "random", "--keep", 33, duplicates=False)
    found = measured(study, "some", "--assigned", study.root / "clustering/clusters")
    kept = study.kept("some")
    vectors = study.vectors["pool"][kept]
    matrix = oracle.similarity_matrix(vectors, vectors)
    assert found["n"] == 33
    assert found["vendi_score"] == pytest.approx(vendi(matrix), rel=1e-5)
    pairs = matrix[np.triu_indices(33, 1)]
    assert found["mean_similarity"] == pytest.approx(pairs.mean(), abs=1e-6)
    np.fill_diagonal(matrix, -2)
    chosen = np.random.default_rng(0).choice(33, 11, replace=False)
    assert found["samples_compared"] == 11
    nearest = matrix.max(axis=1)[chosen]
    assert found["nearest_similarity"] == pytest.approx(nearest.mean(), abs=1e-6)
    error = 1.96 * nearest.std(ddof=1) / np.sqrt(11)
    assert found["nearest_similarity_high"] - found["nearest_similarity"] == pytest.approx(
        error, abs=1e-6
    )
    parts = [
        pl.read_parquet(study.root / f"clustering/clusters/clusters_{chunk}.parquet")
        for chunk in study.chunks
    ]
    shares = np.bincount(pl.concat(parts)["cluster"].to_numpy()[kept]) / 33
    shares = shares[shares > 0]
    assert found["effective_clusters"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    words = [w for i in kept for w in re.findall(r"[^\W_]+", (captions[i] or "").lower())]
    assert found["distinct_words"] == len(set(words))
    of_word = np.array([words.count(word) for word in set(words)]) / len(words)
    assert found["word_entropy"] == pytest.approx(-(of_word * np.log2(of_word)).sum())


def test_what_is_too_small_to_measure_is_null(make_study):
    study = make_study()
    with_metadata(study, ["a cat"] * 60, [None] * 60)
    study.select("nothing", "none", duplicates=False)
    found = measured(study, "nothing")
    assert found.pop("subset") == "nothing"
    assert found.pop("n") == found.pop("samples_compared") == 0
    assert set(found.values()) == {None}
    study.select("one", "random", "--keep", 1, duplicates=False)
    found = measured(study, "one")
    assert found["vendi_score"] == pytest.approx(1)
    assert found["mean_similarity"] is found["nearest_similarity"] is None
    assert found["distinct_words"] == 2
    assert found["effective_clusters"] is None


@given(different=st.integers(1, 6), copies=st.integers(1, 4))
def test_the_score_of_orthogonal_images_is_their_number(different, copies):
    moments = diversity.Moments(8)
    for _ in range(copies):
        moments.add(torch.eye(8)[:different])
    assert moments.vendi_score() == pytest.approx(different)
    assert moments.mean_similarity() == (
        pytest.approx((copies - 1) / (different * copies - 1)) if different * copies > 1 else None
    )


def test_a_vocabulary_grows_part_by_part():
    vocabulary = diversity.Vocabulary()
    assert (vocabulary.distinct, vocabulary.entropy()) == (0, 0)
    vocabulary.add(pl.Series(["a b", None], dtype=pl.String))
    vocabulary.add(pl.Series([], dtype=pl.String))
    vocabulary.add(pl.Series(["B c", "-"]))
    assert vocabulary.distinct == 3
    assert vocabulary.entropy() == pytest.approx(1.5)
