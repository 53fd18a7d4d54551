"""Take one chunk's contiguous slice of a list of links that is one or many parquet files."""

import argparse
from pathlib import Path

import polars as pl

from gapmatch.data.links import collected, link_files, read_links
from gapmatch.running.atomic import atomic_path
from gapmatch.running.command_line import run


def slice_links(
    source: Path, chunk: int, chunks: int, url_column: str, caption_column: str
) -> pl.DataFrame:
    """Return the links of a chunk: rows floor(n c / chunks) to floor(n (c + 1) / chunks) of n.

    Args:
        source: A parquet file, or a folder whose parquet files are read in order of their names.
        chunk: Number of the chunk, from 0.
        chunks: Number of chunks.
        url_column: Column of the links.
        caption_column: Column of the captions.

    Returns:
        Columns url and caption.

    Raises:
        InputError: There is no parquet file, or a column is missing.
    """
    # One by one: files of a list may differ in their other columns, and in types of strings.
    links = pl.concat([read_links(file, url_column, caption_column) for file in link_files(source)])
    rows = collected(links.select(pl.len()), source).item()
    first, last = rows * chunk // chunks, rows * (chunk + 1) // chunks
    return collected(links.slice(first, last - first), source)


def main() -> None:
    """Write the links of one chunk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=Path, required=True, help="parquet file, or folder of them")
    parser.add_argument("--chunk", type=int, required=True, help="number of the chunk")
    parser.add_argument("--chunks", type=int, required=True, help="number of chunks")
    parser.add_argument("--url-column", default="url", help="column of the links")
    parser.add_argument("--caption-column", default="caption", help="column of the captions")
    parser.add_argument("--out", type=Path, required=True, help="output (.parquet)")
    arguments = parser.parse_args()
    links = slice_links(
        arguments.urls,
        arguments.chunk,
        arguments.chunks,
        arguments.url_column,
        arguments.caption_column,
    )
    with atomic_path(arguments.out) as temporary:
        links.write_parquet(temporary)


if __name__ == "__main__":
    run(main)
