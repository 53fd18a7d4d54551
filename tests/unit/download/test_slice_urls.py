"""Slices of a list of links: together all rows, in order, for any number of chunks."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.data.links import slice_links
from gapmatch.running.errors import InputError

PROGRAM = Path(__file__).parents[3] / "workflow_scripts" / "slice_urls.py"


def write_lists(folder: Path, sizes: list[int]) -> pl.DataFrame:
    """Write one file per size and return all their rows."""
    tables = []
    for number, size in enumerate(sizes):
        rows = [f"{number}-{row}" for row in range(size)]
        table = pl.DataFrame(
            {"TEXT": rows, "URL": [f"http://x/{row}" for row in rows]},
            schema={"TEXT": pl.String, "URL": pl.String},
        )
        table.write_parquet(folder / f"part-{number:03d}.parquet")
        tables.append(table)
    return pl.concat(tables).select(url="URL", caption="TEXT")


@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=4), chunks=st.integers(1, 40))
def test_slices_partition_the_rows(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], chunks: int
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    links = write_lists(folder, sizes)
    slices = [slice_links(folder, chunk, chunks, "URL", "TEXT") for chunk in range(chunks)]
    assert pl.concat(slices).equals(links)
    lengths = [len(one) for one in slices]
    assert max(lengths) - min(lengths) <= 1


def test_the_program_writes_a_slice_of_one_file(tmp_path: Path) -> None:
    links = write_lists(tmp_path, [5])
    arguments = (
        f"--urls {tmp_path}/part-000.parquet --chunk 1 --chunks 2 --url-column URL "
        f"--caption-column TEXT --out {tmp_path}/out/00001.parquet"
    )
    subprocess.run([sys.executable, str(PROGRAM), *arguments.split()], check=True)
    assert pl.read_parquet(tmp_path / "out" / "00001.parquet").equals(links[2:])


def test_a_missing_list_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no parquet file"):
        slice_links(tmp_path, 0, 1, "URL", "TEXT")
    with pytest.raises(InputError, match=r"nowhere\.parquet does not exist"):
        slice_links(tmp_path / "nowhere.parquet", 0, 1, "URL", "TEXT")
    (tmp_path / "part-000.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"part-000\.parquet is no parquet file"):
        slice_links(tmp_path, 0, 1, "URL", "TEXT")
    write_lists(tmp_path, [1])
    with pytest.raises(
        InputError, match=r"no column 'url' \(pool\.source\.url_column\); it has: TEXT, URL"
    ):
        slice_links(tmp_path, 0, 1, "url", "TEXT")


def test_files_of_a_list_may_differ_in_other_columns(tmp_path: Path) -> None:
    links = write_lists(tmp_path, [3, 4])
    second = tmp_path / "part-001.parquet"
    changed = pl.read_parquet(second).select(
        pl.lit(7).alias("WIDTH"), pl.col("URL").cast(pl.Categorical), "TEXT"
    )
    changed.write_parquet(second)
    assert slice_links(tmp_path, 0, 1, "URL", "TEXT").equals(links)
    changed.drop("TEXT").write_parquet(second)
    with pytest.raises(InputError, match=r"part-001\.parquet has no column 'TEXT'"):
        slice_links(tmp_path, 0, 1, "URL", "TEXT")


@pytest.mark.parametrize("values", [[["a"]], [{"a": 1}]])
def test_columns_that_hold_no_texts_are_refused(tmp_path: Path, values: list[object]) -> None:
    path = tmp_path / "links.parquet"
    pl.DataFrame({"url": ["http://a"], "caption": values}).write_parquet(path)
    with pytest.raises(InputError, match=r"'caption' \(pool.source.caption_column\) holds .*texts"):
        slice_links(path, 0, 1, "url", "caption")


def test_a_file_that_is_no_parquet_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "links.parquet"
    path.write_bytes(b"url,caption")
    with pytest.raises(InputError) as refused:
        slice_links(path, 0, 1, "url", "caption")
    assert str(refused.value).startswith(f"{path} is no parquet file: ")
    assert "\n" not in str(refused.value)


def test_bytes_are_texts_where_they_are_utf8(tmp_path: Path) -> None:
    path = tmp_path / "links.parquet"
    pl.DataFrame({"url": [b"http://a"], "caption": ["é".encode()]}).write_parquet(path)
    assert slice_links(path, 0, 1, "url", "caption").rows() == [("http://a", "é")]
    pl.DataFrame({"url": [b"http://a"], "caption": [b"\xff"]}).write_parquet(path)
    with pytest.raises(InputError, match=f"{path} cannot be read: invalid utf8"):
        slice_links(path, 0, 1, "url", "caption")
