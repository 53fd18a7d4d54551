from unittest import mock

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.cluster.clustering import assign_clusters
from gapmatch.data.embedding_files import Samples
from gapmatch.deduplicate import deduplication
from gapmatch.deduplicate.deduplication import find_duplicates, rows_that_fit
from gapmatch.running.errors import InputError
from gapmatch.similarity.engines import make_engine


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
