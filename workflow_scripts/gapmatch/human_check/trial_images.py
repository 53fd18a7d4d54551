"""The images of trials: where they are, by trial and side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.data.embedding_files import metadata_path
from gapmatch.human_check.trials import POOL, REFERENCE, TEST, TRIALS_SCHEMA
from gapmatch.results.pictures import ImageFiles
from gapmatch.running.result_files import read_columns


def read_trials(path: Path) -> pl.DataFrame:
    """Read trials.parquet.

    Raises:
        InputError: It is missing or has other columns.
    """
    return read_columns(path, list(TRIALS_SCHEMA))


@dataclass(frozen=True, kw_only=True)
class TrialImages:
    """Trials, and where their images are: options of the programs that read these.

    Attributes:
        trials: trials.parquet.
        data: Folder with DATASET/CHUNK.
        metadata: Folder with DATASET/metadata, of the embedder of the search.
        pool_chunks: Chunk ids of the pool.
        reference_chunks: Chunk ids of the reference.
        test_sets: Names.
    """

    trials: Path
    data: Path
    metadata: Path
    pool_chunks: list[str]
    reference_chunks: list[str]
    test_sets: list[str]

    def files(self) -> dict[str, ImageFiles]:
        """Return where the images of each dataset are."""
        chunks = {"pool": self.pool_chunks, "reference": self.reference_chunks}
        chunks |= {name: [TEST_CHUNK] for name in self.test_sets}
        return {
            dataset: ImageFiles(
                [self.data / dataset / chunk / "chunk.json" for chunk in ids],
                [metadata_path(self.metadata / dataset, chunk) for chunk in ids],
            )
            for dataset, ids in chunks.items()
        }


def places(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the images of trials.

    Args:
        trials: Trials of any kind.

    Returns:
        trial, part (test, pool or reference), dataset, chunk, row; all test images first.
    """
    parts = {
        TEST: (pl.col("test_set"), pl.lit(TEST_CHUNK), pl.col("test_row")),
        POOL: (pl.lit("pool"), pl.col("pool_chunk"), pl.col("pool_row")),
        REFERENCE: (pl.lit("reference"), pl.col("reference_chunk"), pl.col("reference_row")),
    }
    return pl.concat(
        trials.select(
            "trial",
            pl.lit(part).alias("part"),
            dataset.alias("dataset"),
            chunk.alias("chunk"),
            row.alias("row"),
        )
        for part, (dataset, chunk, row) in parts.items()
    ).drop_nulls("row")


def look_up(found: pl.DataFrame, files: Mapping[str, ImageFiles]) -> dict[str, pl.DataFrame]:
    """Return the images of ``places`` by dataset, each once, with shard and image_path."""
    tables = {}
    for dataset in sorted(found["dataset"].unique()):
        images = found.filter(dataset=dataset).select("chunk", "row").unique()
        tables[dataset] = files[dataset].look_up(images.sort("chunk", "row"))
    return tables
