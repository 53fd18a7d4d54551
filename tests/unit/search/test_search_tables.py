import numpy as np
import oracle
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.search import margins_file
from gapmatch.search.margins_file import margins_writer
from gapmatch.search.merging import merge_neighbours
from gapmatch.search.search_tables import neighbours_table, thresholds
from gapmatch.similarity.engine import PoolMargins, find_neighbours
from gapmatch.similarity.engines import make_engine


@settings(max_examples=30)
@given(
    seed=oracle.seeds,
    make=oracle.makers,
    sizes=st.lists(st.integers(0, 15), min_size=1, max_size=5),
    k=st.integers(1, 20),
)
def test_merged_chunks_equal_a_search_of_the_whole(seed, make, sizes, k):
    rng = np.random.default_rng(seed)
    base, queries = make(rng, sum(sizes), 4), make(rng, 5, 4)
    engine = make_engine("fused", "cpu", 1, 4096, 7)
    starts = np.cumsum([0, *sizes])
    found = [
        neighbours_table(find_neighbours(engine, queries, part, k), f"{index:05}")
        for index, part in enumerate(np.split(base, starts[1:-1]))
    ]
    order = rng.permutation(len(found))
    merged = merge_neighbours([found[i] for i in order], k)
    similarity, row = oracle.neighbours(queries, base, k)
    assert len(merged) == row.size
    found = starts[merged["chunk"].cast(pl.Int32).to_numpy()] + merged["row"].to_numpy()
    np.testing.assert_array_equal(found, row.ravel())
    np.testing.assert_array_equal(merged["similarity"].to_numpy(), similarity.ravel())
    assert merged["rank"].to_list() == list(range(1, row.shape[1] + 1)) * 5


def test_thresholds_are_read_unrounded_and_missing_ranks_name_the_setting(tmp_path):
    rng = np.random.default_rng(0)
    reference, tests = oracle.unit_vectors(rng, 9, 4), oracle.unit_vectors(rng, 6, 4)
    found = find_neighbours(make_engine("fused", "cpu", 1, 4096), tests, reference, 5)
    path = tmp_path / "reference_neighbours.parquet"
    write_parquet(path, neighbours_table(found, "00000"))
    expected = oracle.thresholds(tests, reference, [1, 5])
    np.testing.assert_array_equal(thresholds(path, [1, 5], 6), expected)
    with pytest.raises(InputError, match=r"search\.reference_neighbours to at least 6"):
        thresholds(path, [6], 6)
    with pytest.raises(InputError, match="6 test images, expected 7"):
        thresholds(path, [1], 7)


def made_margins(rows):
    """Margins of some rows that tell which row they are of."""
    values = np.stack([rows / 2, -rows]).astype(np.float32)
    return PoolMargins(rows.astype(np.float32), rows.astype(np.int32), values)


def test_margins_have_a_column_per_rank_and_equal_bytes_however_they_came(tmp_path, monkeypatch):
    monkeypatch.setattr(margins_file, "ROWS_PER_GROUP", 16)
    contents = []
    for cuts in ([], [1, 5, 40], [16, 32, 48], range(60)):
        path = tmp_path / f"margins_{len(contents)}.parquet"
        with margins_writer(path, [1, 10]) as write:
            for rows in np.split(np.arange(60), cuts):
                write(int(rows[0]) if len(rows) else 0, made_margins(rows))
            assert not path.exists()
        contents.append(path.read_bytes())
    assert len(set(contents)) == 1
    table = pl.read_parquet(path)
    assert table.schema == {
        "row": pl.Int32,
        "nearest_similarity": pl.Float32,
        "nearest_test_row": pl.Int32,
        "margin_rank_1": pl.Float32,
        "margin_rank_10": pl.Float32,
    }
    assert table["row"].to_list() == list(range(60))
    assert table["margin_rank_10"].to_list() == [-row for row in range(60)]


def test_margins_of_no_rows_are_an_empty_table_and_a_failure_leaves_no_file(tmp_path):
    with margins_writer(tmp_path / "empty.parquet", [1]):
        pass
    assert pl.read_parquet(tmp_path / "empty.parquet").shape == (0, 4)
    with (
        pytest.raises(ZeroDivisionError),
        margins_writer(tmp_path / "failed.parquet", [1, 10]) as write,
    ):
        write(0, made_margins(np.arange(3)))
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["empty.parquet"]


def test_unreadable_tables_are_input_errors(tmp_path):
    path = tmp_path / "table.parquet"
    with pytest.raises(InputError, match=r"table\.parquet: expected a parquet file"):
        read_columns(path, ["row"])
    path.write_text("not parquet")
    with pytest.raises(InputError, match="expected a parquet file"):
        read_columns(path, ["row"])
    write_parquet(path, pl.DataFrame({"other": [1]}))
    with pytest.raises(InputError, match="with the columns row"):
        read_columns(path, ["row"])
