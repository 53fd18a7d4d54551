"""Lists of links and captions: one parquet file, or a folder of them."""

from pathlib import Path

import polars as pl

from gapmatch.data.chunks import share
from gapmatch.running.errors import InputError, first_line


def link_files(source: Path) -> list[Path]:
    """Return the parquet files of a list, in the order of their names.

    Args:
        source: A parquet file, or a folder of them.

    Raises:
        InputError: There is none.
    """
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source} holds no parquet file: expected lists of links")
    if not source.exists():
        raise InputError(f"{source} does not exist: expected a parquet file or a folder of them")
    return files


def read_links(file: Path, url_column: str, caption_column: str) -> pl.LazyFrame:
    """Return the columns url and caption of a file, as strings.

    Args:
        file: A parquet file; it may have other columns too.
        url_column: Column of the links.
        caption_column: Column of the captions.

    Raises:
        InputError: It is no parquet file, or lacks a column, or a column holds no texts.
    """
    try:
        links = pl.scan_parquet(file, glob=False)
        known = links.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{file} is no parquet file: {first_line(error)}") from None
    for key, column in (("url_column", url_column), ("caption_column", caption_column)):
        if column not in known:
            raise InputError(
                f"{file} has no column {column!r} (pool.source.{key}); it has: {', '.join(known)}"
            )
        if known[column].is_nested():
            raise InputError(
                f"{file}: the column {column!r} (pool.source.{key}) holds {known[column]}, "
                "expected texts"
            )
    return links.select(
        pl.col(url_column).cast(pl.String).alias("url"),
        pl.col(caption_column).cast(pl.String).alias("caption"),
    )


def collected(links: pl.LazyFrame, source: Path) -> pl.DataFrame:
    """Return the rows of a list.

    Args:
        links: What ``read_links`` returned, or a part of it.
        source: Where they are, for messages.

    Raises:
        InputError: They cannot be read, or are no texts.
    """
    try:
        return links.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{source} cannot be read: {first_line(error)}") from None


def slice_links(
    source: Path, chunk: int, chunks: int, url_column: str, caption_column: str
) -> pl.DataFrame:
    """Return the links of a chunk, see ``chunks.share``.

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
    own = share(rows, chunk, chunks)
    return collected(links.slice(own.start, own.stop - own.start), source)
