"""Thumbnails of samples in tables: a figure is drawn again without the shards."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image
from tqdm import tqdm

from gapmatch.data.shard_images import decode, read_contents, read_images, shards_by_chunk
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns

SIDE = 150  # pixels of a thumbnail: an inch of a figure at 150 dpi
PICTURE = "picture"
TEXT_COLUMNS = ("shard", "image_path", "caption", "class_name")


@dataclass(frozen=True)
class ImageFiles:
    """Where the images of a dataset are: its chunk.json and metadata_<chunk>.parquet files."""

    chunks: Sequence[Path]
    metadata: Sequence[Path]

    def look_up(self, places: pl.DataFrame) -> pl.DataFrame:
        """Add shard, image_path, caption and class_name to rows with chunk and row.

        Raises:
            InputError: A chunk's metadata is not among the files, or has no such row.
        """
        files = {path.stem.removeprefix("metadata_"): path for path in self.metadata}
        parts = []
        for chunk in places["chunk"].unique(maintain_order=True).to_list():
            rows = places.filter(pl.col("chunk") == chunk)
            if chunk not in files:
                raise InputError(f"no metadata_{chunk}.parquet among the metadata files named")
            table = read_columns(files[chunk], TEXT_COLUMNS)
            last = max(rows["row"].to_list())
            if last >= table.height:
                raise InputError(f"{files[chunk]}: has no row {last}, only {table.height} rows")
            parts.append(pl.concat([rows, table[rows["row"]]], how="horizontal"))
        return pl.concat(parts) if parts else places

    def read(self, table: pl.DataFrame, side: int = SIDE) -> dict[tuple[str, int], Image.Image]:
        """Thumbnails by (chunk, row) of the rows that ``look_up`` gave.

        Args:
            table: The rows.
            side: Largest width and height, pixels.
        """
        images = {}
        for chunk, shards, row_of in self._by_chunk(table):
            for pair, image in read_images(shards, set(row_of), side).items():
                images[chunk, row_of[pair]] = image
        return images

    def contents(self, table: pl.DataFrame) -> Iterator[tuple[tuple[str, int], bytes]]:
        """Yield (chunk, row), each once, and the image's file of the rows ``look_up`` gave."""
        for chunk, shards, row_of in self._by_chunk(table):
            for pair, content in read_contents(shards, set(row_of)):
                yield (chunk, row_of[pair]), content

    def _by_chunk(
        self, table: pl.DataFrame
    ) -> Iterator[tuple[str, dict[str, Path], dict[tuple[str, str], int]]]:
        """Yield each chunk, its shards by file name, and the row of each (shard, key)."""
        shards = shards_by_chunk(self.chunks)
        chunks = table["chunk"].unique(maintain_order=True).to_list()
        for chunk in tqdm(chunks, unit="chunk", mininterval=5):
            if chunk not in shards:
                raise InputError(f"no chunk.json of chunk {chunk} among the files named")
            rows = table.filter(pl.col("chunk") == chunk)
            places = rows.select("shard", "image_path", "row").iter_rows()
            yield chunk, shards[chunk], {(shard, key): row for shard, key, row in places}


def with_pictures(table: pl.DataFrame, sources: Mapping[str, ImageFiles]) -> pl.DataFrame:
    """Add a column of thumbnails, PNG, to rows with dataset, chunk, row, shard and image_path."""
    images = {
        (dataset, *place): image
        for dataset, source in sources.items()
        for place, image in source.read(table.filter(pl.col("dataset") == dataset)).items()
    }
    places = table.select("dataset", "chunk", "row").iter_rows()
    encoded = [_encode(images[place]) for place in places]
    return table.with_columns(pl.Series(PICTURE, encoded, dtype=pl.Binary))


def _encode(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def decode_picture(data: bytes) -> Image.Image:
    """Return a thumbnail of the column ``PICTURE``."""
    return decode(data, SIDE, "a picture of the table")
