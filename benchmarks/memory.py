"""Measure the memory of a search of a short and of a long chunk, through search_pool.py.

The peak holds the pages of the mapped chunk that the system had no reason to take back.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from search import embeddings, make_chunk
from timing import machine, measured, table

from gapmatch.running.atomic import write_parquet
from gapmatch.search.search_tables import neighbours_table
from gapmatch.similarity.engine import find_neighbours
from gapmatch.similarity.engines import make_engine

PROGRAM = Path(__file__).parents[1] / "workflow_scripts" / "search_pool.py"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--limit-mb", type=int, nargs="+", default=[1280, 4096])
    parser.add_argument("--tests", type=int, default=2_000)
    parser.add_argument("--dim", type=int, default=640)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = embeddings(rng, 1000, args.dim, np.zeros((1, args.dim), np.float16))
    lines: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tests, reference = (embeddings(rng, args.tests, args.dim, centres) for _ in range(2))
        np.save(folder / "tests.npy", tests)
        nearest = find_neighbours(make_engine("fused", "cpu", 2, 8000), tests, reference, 5)
        write_parquet(folder / "reference.parquet", neighbours_table(nearest, "00000"))
        for rows in args.chunk:
            make_chunk(folder / "pool.npy", rng, rows, args.dim, centres)
            for limit in args.limit_mb:
                options = {
                    "--pool": folder / "pool.npy",
                    "--chunk": "00000",
                    "--tests": folder / "tests.npy",
                    "--reference-neighbours": folder / "reference.parquet",
                    "--ranks": 1,
                    "--k": 20,
                    "--threads": args.threads,
                    "--max-memory-mb": limit,
                    "--margins": folder / "margins.parquet",
                    "--neighbours": folder / "neighbours.parquet",
                }
                words = [str(word) for pair in options.items() for word in pair]
                command = [sys.executable, str(PROGRAM), *words]
                seconds, memory = measured(command, folder / "said.txt")
                file = (folder / "pool.npy").stat().st_size / 2**30
                lines.append([f"{rows:,}", f"{file:.2f}", limit, f"{memory:.2f}", f"{seconds:.0f}"])
    print(
        f"{args.tests:,} test images of {args.dim} dimensions, 20 neighbours, {args.threads} "
        f"threads. {machine()}.\n"
    )
    columns = ["chunk", "its file, GB", "max_memory_mb", "peak memory, GB", "seconds"]
    print(table(columns, lines))


if __name__ == "__main__":
    main()
