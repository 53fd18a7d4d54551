import numpy as np
import oracle
import pytest

from gapmatch.cluster.clustering import assign_clusters, train_centroids
from gapmatch.data.embedding_files import evenly_spaced
from gapmatch.running.errors import InputError
from gapmatch.similarity.engines import make_engine


def engine_of(name="fused", block=None, threads=1):
    return make_engine(name, "cpu", threads, 4096, block)


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
    with pytest.raises(InputError, match=r"training samples as clusters at least: got"):
        train_centroids(chunks, 6, 2, 100, 0, engine_of())
