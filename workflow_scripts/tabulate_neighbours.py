"""Collect test images and their nearest neighbours in the pool and the reference, as pictures."""

import argparse
from pathlib import Path

from gapmatch.figures import neighbours
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.result_files import read_columns
from gapmatch.tables.pictures import Source, with_pictures

COLUMNS = ("test_row", "rank", "similarity", "chunk", "row")


def main() -> None:
    """Parse the arguments, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for dataset in ("test", "pool", "reference"):
        parser.add_argument(
            f"--{dataset}-chunks",
            type=Path,
            nargs="+",
            required=True,
            help=f"chunk.json files of the {dataset} images; their shards lie beside them",
        )
        parser.add_argument(
            f"--{dataset}-metadata",
            type=Path,
            nargs="+",
            required=True,
            help=f"metadata_<chunk>.parquet files of the {dataset} images",
        )
    for dataset in ("pool", "reference"):
        parser.add_argument(
            f"--{dataset}-neighbours",
            type=Path,
            required=True,
            help=f"parquet with the nearest {dataset} images of each test image",
        )
    parser.add_argument("--images", type=int, default=6, help="test images to show")
    parser.add_argument("--neighbours", type=int, default=4, help="neighbours to show of each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of test images")
    parser.add_argument("--out", type=Path, required=True, help="output (.parquet)")
    arguments = parser.parse_args()
    sources = {
        dataset: Source(
            getattr(arguments, f"{dataset}_chunks"), getattr(arguments, f"{dataset}_metadata")
        )
        for dataset in ("test", "pool", "reference")
    }
    tables = {
        "pool": read_columns(arguments.pool_neighbours, COLUMNS),
        "reference": read_columns(arguments.reference_neighbours, COLUMNS),
    }
    labels = read_columns(arguments.test_metadata[0], ["class_name"])["class_name"]
    chosen = neighbours.choose_images(labels, arguments.images, arguments.seed)
    frame = neighbours.neighbour_table(chosen, len(labels), tables, sources, arguments.neighbours)
    write_parquet(arguments.out, with_pictures(frame, sources))


if __name__ == "__main__":
    run(main)
