"""Take one chunk's contiguous slice of a list of links that is one or many parquet files."""

from pathlib import Path

from gapmatch.data.links import slice_links
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run


def slice_urls(
    *,
    urls: Path,
    chunk: int,
    chunks: int,
    url_column: str = "url",
    caption_column: str = "caption",
    out: Path,
) -> None:
    """Take one chunk's contiguous slice of a list of links that is one or many parquet files.

    Args:
        urls: Parquet file, or folder of them.
        chunk: Number of the chunk.
        chunks: Number of chunks.
        url_column: Column of the links.
        caption_column: Column of the captions.
        out: Output (.parquet).
    """
    write_parquet(out, slice_links(urls, chunk, chunks, url_column, caption_column))


if __name__ == "__main__":
    run(slice_urls)
