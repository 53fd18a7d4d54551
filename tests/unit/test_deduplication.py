from unittest import mock

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch import deduplication
from gapmatch.deduplication import (
    Samples,
    assign_clusters,
    evenly_spaced,
    find_duplicates,
    rows_that_fit,
    train_centroids,
)
from gapmatch.errors import InputError
from gapmatch.similarity.engine import make_engine


def engine_of(name="fused", block=None, threads=1):
    return make_engine(name, "cpu", threads, 4096, block)


@settings(max_examples=80)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    sizes=st.lists(st.integers(0, 15), min_size=1, max_size=4),
    clusters=st.integers(1, 4),
    block=st.integers(1, 20),
    in_memory=st.integers(1, 60),
    threshold=st.sampled_from([0.0, 0.4, 0.876, 0.99, 1.0]),
    tile=st.integers(1, 20),
)
def test_duplicates_agree_with_brute_force(
    seed, make, sizes, clusters, block, in_memory, threshold, tile
):
    rng = np.random.default_rng(seed)
    rows = sum(sizes)
    vectors = make(rng, rows, 5)
    # Exact copies, near copies and (2x: parallel, not bitwise equal before rounding) others.
    vectors[rows // 2 :] = vectors[rng.integers(0, max(rows, 1), rows - rows // 2)]
    near = rng.random(rows) < 0.2
    vectors[near] = oracle.stored(vectors[near] + rng.normal(0, 0.01, (int(near.sum()), 5)))
    cluster = rng.integers(0, clusters, rows).astype(np.int32)
    chunks = np.split(vectors, np.cumsum(sizes)[:-1])
    expected = oracle.duplicates(vectors, cluster, threshold)
    dropped = np.flatnonzero(expected >= 0)
    # In one go, and cluster by cluster as jobs do it.
    parts = [np.arange(rows), *(np.flatnonzero(cluster == part) for part in range(clusters))]
    with mock.patch.multiple(deduplication, TILE_ROWS=tile + 3, TILE_COLUMNS=tile):
        found = [
            find_duplicates(chunks, part, cluster[part], threshold, in_memory, block)
            for part in parts
        ]
    np.testing.assert_array_equal(found[0].sample, dropped)
    np.testing.assert_array_equal(found[0].original, expected[dropped])
    matrix = oracle.similarity_matrix(vectors, vectors).astype(np.float32)
    np.testing.assert_array_equal(found[0].similarity, matrix[dropped, expected[dropped]])
    together = np.concatenate([part.sample for part in found[1:]])
    np.testing.assert_array_equal(np.sort(together), dropped)


def test_exact_copies_share_a_cluster_however_many_there_are():
    rng = np.random.default_rng(4)
    vectors = oracle.unit_vectors(rng, 500, 8)
    copies = rng.permutation(500)[:200]
    whole = np.concatenate([vectors, vectors[copies]])
    cluster = assign_clusters(whole, oracle.unit_vectors(rng, 40, 8), engine_of(block=33))
    np.testing.assert_array_equal(cluster[500:], cluster[copies])
    found = find_duplicates([whole], np.arange(700), cluster, 0.9999, 100)
    assert set(range(500, 700)) <= set(found.sample)
    assert (found.similarity[found.sample >= 500] == 1.0).all()


def test_parallel_vectors_of_different_length_tie_with_copies():
    x = np.array([0.6, 0.8, 0.0], np.float16)
    y = np.array([0.0, 1.0, 0.0], np.float16)
    z = np.array([0.0, 0.9951171875, 0.0], np.float16)
    vectors = np.stack([x, y, z, y, z, z])
    found = find_duplicates([vectors], np.arange(6), np.zeros(6, np.int32), 0.9, 100, 2)
    np.testing.assert_array_equal(found.sample, [2, 3, 4, 5])
    np.testing.assert_array_equal(found.original, [1, 1, 1, 1])


def test_memory_that_holds_no_block_is_an_input_error():
    chunk = np.empty((0, 640), np.float16)
    assert rows_that_fit(4096, chunk, 1_000_000) > 1_000_000
    with pytest.raises(InputError, match=r"search_memory_mb: 1024 MiB.*deduplicate\.parts"):
        rows_that_fit(1024, chunk, 10_000_000)


def test_samples_are_read_in_any_order_across_chunks():
    chunks = [np.arange(n * 2, dtype=np.float16).reshape(n, 2) + 10 * n for n in (3, 0, 5)]
    whole = np.concatenate(chunks)
    wanted = np.array([7, 0, 3, 3, 2])
    np.testing.assert_array_equal(Samples(chunks).take(wanted), whole[wanted])


def test_training_samples_are_spread_evenly():
    np.testing.assert_array_equal(evenly_spaced(10, 5), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(evenly_spaced(3, 5), [0, 1, 2])
    assert len(evenly_spaced(0, 5)) == 0


def test_clusters_find_groups():
    rng = np.random.default_rng(0)
    centres = oracle.unit_vectors(rng, 4, 16)
    group = rng.integers(0, 4, 400)
    vectors = oracle.stored(centres[group] + rng.normal(0, 0.02, (400, 16)))
    engine = engine_of(block=64)
    chunks = np.split(vectors, [100, 250])
    # Random first centroids may share a group; some seed gives each group its own.
    best = max(
        oracle.similarity_matrix(centres, train_centroids(chunks, 4, 10, 200, seed, engine))
        .max(1)
        .min()
        for seed in range(20)
    )
    assert best > 0.99


def test_centroids_depend_on_the_seed_alone():
    vectors = oracle.unit_vectors(np.random.default_rng(0), 3000, 32)
    results = []
    for threads, name, block, cuts in ((1, "fused", 3000, []), (2, "faiss", 333, [100, 2000])):
        chunks, engine = np.split(vectors, cuts), engine_of(name, block, threads)
        results.append(train_centroids(chunks, 20, 8, 2500, 3, engine))
    assert results[0].tobytes() == results[1].tobytes()
    np.testing.assert_allclose(np.linalg.norm(results[0], axis=1), 1, atol=1e-6)
    other = train_centroids([vectors], 20, 8, 2500, 4, engine)
    assert (other != results[0]).any()


def test_k_means_is_lloyds_iteration():
    vectors = oracle.unit_vectors(np.random.default_rng(1), 60, 5)
    engine = engine_of(block=7)
    found = train_centroids([vectors], 6, 3, 60, 0, engine)
    centroids = vectors[np.random.default_rng(0).permutation(60)[:6]].astype(np.float64)
    for _ in range(3):
        cluster = oracle.similarity_matrix(centroids, vectors).argmax(0)
        sums = [vectors[cluster == c].astype(np.float64).sum(0) for c in range(6)]
        centroids = np.stack(sums) / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(found, centroids, atol=1e-6)
    cluster = assign_clusters(vectors, found, engine)
    np.testing.assert_array_equal(cluster, oracle.similarity_matrix(found, vectors).argmax(0))


def test_clusters_without_samples_keep_their_centroid():
    vectors = np.repeat(oracle.unit_vectors(np.random.default_rng(0), 1, 4), 5, axis=0)
    found = train_centroids([vectors], 3, 4, 5, 0, engine_of(block=2))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_more_clusters_than_samples_names_the_setting():
    chunks = [oracle.unit_vectors(np.random.default_rng(0), 5, 4)]
    with pytest.raises(InputError, match=r"deduplicate\.clusters is 6"):
        train_centroids(chunks, 6, 2, 100, 0, engine_of())
