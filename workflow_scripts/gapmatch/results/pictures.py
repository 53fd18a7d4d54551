"""Thumbnails of samples in tables: a figure is drawn again without the shards."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image
from tqdm import tqdm

from gapmatch.data.shard_images import decode, read_images, shards_by_chunk
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
            side: Largest width and height in pixels.
        """
        shards = shards_by_chunk(self.chunks)
        images = {}
        chunks = table["chunk"].unique(maintain_order=True).to_list()
        for chunk in tqdm(chunks, unit="chunk", mininterval=5):
            rows = table.filter(pl.col("chunk") == chunk)
            if chunk not in shards:
                raise InputError(f"no chunk.json of chunk {chunk} among the files named")
            wanted = set(rows.select("shard", "image_path").iter_rows())
            found = read_images(shards[chunk], wanted, side)
            for row in rows.iter_rows(named=True):
                images[chunk, row["row"]] = found[row["shard"], row["image_path"]]
        return images


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
