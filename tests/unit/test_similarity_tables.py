import numpy as np
import oracle
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.errors import InputError
from gapmatch.similarity.engine import PoolMargins, limit_threads, make_engine
from gapmatch.similarity.merging import merge_neighbours
from gapmatch.similarity.tables import (
    margins_table,
    neighbours_table,
    read_table,
    thresholds,
    write_table,
)


@settings(deadline=None, max_examples=30)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    sizes=st.lists(st.integers(0, 15), min_size=1, max_size=5),
    k=st.integers(1, 20),
)
def test_merged_chunks_equal_a_search_of_the_whole(seed, make, sizes, k):
    limit_threads(1)
    rng = np.random.default_rng(seed)
    base, queries = make(rng, sum(sizes), 4), make(rng, 5, 4)
    engine = make_engine("fused", "cpu")
    starts = np.cumsum([0, *sizes])
    tables = [
        neighbours_table(engine.neighbours(queries, part, k, 7), f"{index:05}")
        for index, part in enumerate(np.split(base, starts[1:-1]))
    ]
    order = rng.permutation(len(tables))
    merged = merge_neighbours([tables[i] for i in order], k)
    similarity, row = oracle.neighbours(queries, base, k)
    assert len(merged) == row.size
    found = starts[merged["chunk"].cast(pl.Int32).to_numpy()] + merged["row"].to_numpy()
    np.testing.assert_array_equal(found, row.ravel())
    np.testing.assert_array_equal(merged["similarity"].to_numpy(), similarity.ravel())
    assert merged["rank"].to_list() == list(range(1, row.shape[1] + 1)) * 5


def test_thresholds_are_read_unrounded_and_missing_ranks_name_the_setting(tmp_path):
    rng = np.random.default_rng(0)
    reference, tests = oracle.unit_vectors(rng, 9, 4), oracle.unit_vectors(rng, 6, 4)
    found = make_engine("fused", "cpu").neighbours(tests, reference, 5, 4)
    path = tmp_path / "reference_neighbours.parquet"
    write_table(path, neighbours_table(found, "00000"))
    expected = oracle.thresholds(tests, reference, [1, 5])
    np.testing.assert_array_equal(thresholds(path, [1, 5], 6), expected)
    with pytest.raises(InputError, match=r"search\.reference_neighbours to at least 6"):
        thresholds(path, [6], 6)
    with pytest.raises(InputError, match="6 test images, expected 7"):
        thresholds(path, [1], 7)


def test_margins_table_has_a_column_per_rank():
    values = np.array([[0.5, -0.5], [0.25, 0.0]], np.float32)
    found = PoolMargins(np.array([0.9, 0.1], np.float32), np.array([3, 4], np.int32), values)
    table = margins_table(found, [1, 10])
    assert table.schema == {
        "row": pl.Int32,
        "nearest_similarity": pl.Float32,
        "nearest_test_row": pl.Int32,
        "margin_rank_1": pl.Float32,
        "margin_rank_10": pl.Float32,
    }
    assert table["margin_rank_10"].to_list() == [0.25, 0.0]


def test_unreadable_tables_are_input_errors(tmp_path):
    path = tmp_path / "table.parquet"
    with pytest.raises(InputError, match=r"table\.parquet: expected a parquet file"):
        read_table(path, ["row"])
    path.write_text("not parquet")
    with pytest.raises(InputError, match="expected a parquet file"):
        read_table(path, ["row"])
    write_table(path, pl.DataFrame({"other": [1]}))
    with pytest.raises(InputError, match="with the columns row"):
        read_table(path, ["row"])
