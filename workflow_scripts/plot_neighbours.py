"""Plot pictures of test images beside their nearest neighbours in the pool and the reference."""

import argparse
from pathlib import Path

from gapmatch.command_line import run
from gapmatch.figures import neighbours, style
from gapmatch.result_files import read_columns

COLUMNS = ("test_row", "rank", "similarity", "chunk", "row")


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-set", required=True, help="name of the test set, for the title")
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
    parser.add_argument("--credit", default="", help="line under the figure, e.g. of the artists")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    sources = {
        dataset: neighbours.Source(
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
    frame = neighbours.neighbour_table(chosen, tables, sources, arguments.neighbours)
    pictures = neighbours.read_pictures(frame, sources)
    title = f"{arguments.test_set}: {len(chosen)} of {len(labels):,} test images"
    style.save(neighbours.draw(frame, pictures, title, arguments.credit), frame, arguments.out)


if __name__ == "__main__":
    run(main)
