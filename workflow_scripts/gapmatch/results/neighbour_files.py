"""The files that tell a test set's nearest images in the pool and the reference, and show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.results.pictures import ImageFiles
from gapmatch.running.result_files import read_columns

if TYPE_CHECKING:
    from gapmatch.config.results import Results

COLUMNS = ("test_row", "rank", "similarity", "chunk", "row")


@dataclass(frozen=True, kw_only=True)
class NeighbourFiles:
    """Options of programs that show test images and their neighbours.

    Attributes:
        test_chunks: chunk.json of the test set; its shards lie beside it.
        test_metadata: Its metadata.
        pool_chunks: chunk.json of each chunk of the pool.
        pool_metadata: Metadata of each.
        pool_neighbours: Nearest pool images of each test image.
        reference_chunks: chunk.json of each chunk of the reference.
        reference_metadata: Metadata of each.
        reference_neighbours: Nearest reference images of each test image.
    """

    test_chunks: list[Path]
    test_metadata: list[Path]
    pool_chunks: list[Path]
    pool_metadata: list[Path]
    pool_neighbours: Path
    reference_chunks: list[Path]
    reference_metadata: list[Path]
    reference_neighbours: Path

    def sources(self) -> dict[str, ImageFiles]:
        """Return where the images are of "test", "pool" and "reference"."""
        return {
            "test": ImageFiles(self.test_chunks, self.test_metadata),
            "pool": ImageFiles(self.pool_chunks, self.pool_metadata),
            "reference": ImageFiles(self.reference_chunks, self.reference_metadata),
        }

    def neighbours(self) -> dict[str, pl.DataFrame]:
        """Read the neighbours, with the columns ``COLUMNS``, of "pool" and "reference"."""
        return {
            "pool": read_columns(self.pool_neighbours, COLUMNS),
            "reference": read_columns(self.reference_neighbours, COLUMNS),
        }

    def labels(self) -> pl.Series:
        """Read (test images,): the class of each, null where unknown."""
        return read_columns(self.test_metadata[0], ["class_name"])["class_name"]


def neighbour_files(results: Results, test_set: str) -> tuple[list[str], dict[str, object]]:
    """Return the input files and options (``NeighbourFiles``) of what shows a test set's neighbours."""
    names = {"test": test_set, "pool": "pool", "reference": "reference"}
    chunks = {f"{kind}_chunks": results.chunk_files(name) for kind, name in names.items()}
    metadata = {f"{kind}_metadata": results.metadata(name) for kind, name in names.items()}
    neighbours = {
        "pool_neighbours": results.pool_neighbours(results.embedder, test_set),
        "reference_neighbours": results.reference_neighbours(results.embedder, test_set),
    }
    inputs = [
        *[path for name in names.values() for path in results.data(name)],
        *[path for paths in metadata.values() for path in paths],
        *neighbours.values(),
    ]
    return inputs, {**chunks, **metadata, **neighbours}
