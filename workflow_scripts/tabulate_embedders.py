"""Write the table of embedders: how often the nearest reference image has the right class."""

import argparse
from pathlib import Path

import polars as pl

from gapmatch.data.chunks import read_chunk
from gapmatch.data.embedding_files import metadata_path
from gapmatch.running.command_line import named_path, run
from gapmatch.running.result_files import read_columns
from gapmatch.tables.captions import read_caption
from gapmatch.tables.embedder_table import (
    FRACTIONS,
    embedder_table,
    nearest_labels,
    row_of,
    same_classes,
)
from gapmatch.tables.tables import write_table

TEST_CHUNK = "00000"


def main() -> None:
    """Parse the arguments, tabulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--searched",
        type=named_path,
        nargs="+",
        required=True,
        metavar="EMBEDDER=TEST_SET",
        help="what was searched, in the order of the table",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with DATASET/CHUNK")
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder with EMBEDDER/DATASET/metadata"
    )
    parser.add_argument(
        "--similarity", type=Path, required=True, help="folder with EMBEDDER/TEST_SET"
    )
    parser.add_argument("--reference-chunks", nargs="+", required=True, help="ids of its chunks")
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    described = read_chunk(arguments.data / "reference" / arguments.reference_chunks[0])
    rows = []
    for embedder, path in arguments.searched:
        test_set, folder = str(path), arguments.embeddings / embedder
        reference = pl.concat(
            read_columns(metadata_path(folder / "reference", chunk), ["label"])
            .with_row_index("row")
            .select(pl.lit(chunk).alias("chunk"), pl.col("row").cast(pl.Int32), "label")
            for chunk in arguments.reference_chunks
        )
        neighbours = read_columns(
            arguments.similarity / embedder / test_set / "reference_neighbours.parquet",
            ["test_row", "rank", "chunk", "row"],
        )
        rows.append(
            row_of(
                embedder,
                test_set,
                read_columns(metadata_path(folder / test_set, TEST_CHUNK), ["label"])["label"],
                reference["label"],
                nearest_labels(neighbours, reference),
                same_classes(read_chunk(arguments.data / test_set / TEST_CHUNK), described),
            )
        )
    caption = read_caption(arguments.caption)
    write_table(embedder_table(rows), arguments.out, caption, percent_columns=FRACTIONS)


if __name__ == "__main__":
    run(main)
