"""Measure the selection of subsets from a pool of LAION's size.

Files of margins, clusters, styles and captions of that many samples are made on disk, and
select_subset.py is run on them as the workflow runs it. Memory is the peak of its process.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from timing import machine, measured, table

from gapmatch.cluster.cluster_files import clusters_path, write_clusters
from gapmatch.data.embedding_files import embedding_path, metadata_path
from gapmatch.search.margins_file import margins_writer
from gapmatch.search.search_tables import margins_path
from gapmatch.similarity.engine import PoolMargins
from gapmatch.style.style_files import styles_path

PROGRAM = Path(__file__).parents[1] / "workflow_scripts" / "select_subset.py"
RANKS = (1, 5)
CONCEPTS, WORDS = 20_000, 10
ROWS_PER_CLUSTER = 100
"""In a chunk; a pool of several has clusters that are as many times as large."""
STYLES = ["photo", "drawing", "painting", "render"]


def make_chunk(folder: Path, chunk: str, rows: int, test_sets: list[str], seed: int) -> None:
    """Write what is known of a chunk's samples, and embeddings of one dimension, not read.

    Words are drawn by Zipf's law; captions of ten of them are drawn from 50,000.
    """
    rng = np.random.default_rng(seed)
    for test_set in test_sets:
        nearest = rng.normal(0.55, 0.1, rows).astype(np.float32)
        margins = (nearest - rng.normal(0.75, 0.05, (len(RANKS), rows))).astype(np.float32)
        test_row = rng.integers(0, 50_000, rows, dtype=np.int32)
        with margins_writer(margins_path(folder / "similarity" / test_set, chunk), RANKS) as write:
            write(0, PoolMargins(nearest, test_row, margins))
    embeddings = embedding_path(folder / "embeddings", chunk)
    embeddings.parent.mkdir(parents=True, exist_ok=True)
    np.save(embeddings, np.ones((rows, 1), np.float16))
    metadata = metadata_path(folder / "embeddings", chunk)
    metadata.parent.mkdir(parents=True, exist_ok=True)
    number = pl.int_range(rows, eager=True)
    drawn = rng.zipf(1.1, (min(rows, 50_000), WORDS)) % (4 * CONCEPTS)
    captions = pl.Series([" ".join(f"w{word}" for word in line) for line in drawn.tolist()])
    write_clusters(
        clusters_path(folder / "clustering/clusters", chunk),
        rng.integers(0, rows // ROWS_PER_CLUSTER, rows, dtype=np.int32),
    )
    styles = pl.Series(STYLES)[rng.integers(0, len(STYLES), rows)]
    path = styles_path(folder / "styles", chunk)
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"style": styles}).write_parquet(path)
    pl.DataFrame(
        {
            "image_path": chunk + number.cast(pl.String).str.zfill(7),
            "shard": (number // 10_000).cast(pl.String).str.zfill(5) + ".tar",
            "caption": captions[rng.integers(0, len(captions), rows)],
        }
    ).write_parquet(metadata)


def link_chunk(folder: Path, chunk: str, made: str, test_sets: list[str]) -> None:
    """Give a chunk that was made a second name, so that many chunks fit on a small disk."""
    paths = [margins_path(folder / "similarity" / name, made) for name in test_sets]
    paths += [embedding_path(folder / "embeddings", made)]
    paths += [metadata_path(folder / "embeddings", made), styles_path(folder / "styles", made)]
    paths += [clusters_path(folder / "clustering/clusters", made)]
    for path in paths:
        path.with_name(path.name.replace(made, chunk)).hardlink_to(path)


def select(folder: Path, chunks: list[str], options: list[str]) -> tuple[float, float]:
    """Run select_subset.py; return its seconds and the peak of its memory in GB."""
    command = [sys.executable, str(PROGRAM), *options, "--subset", "bench", "--embedder", "none"]
    command += ["--embeddings", str(folder / "embeddings"), "--chunks", *chunks]
    command += ["--out", str(folder / "kept"), "--summary", str(folder / "summary.json")]
    return measured(command, folder / "said.txt")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument(
        "--distinct", type=int, default=20, help="chunks made; the others are links to these"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="per chunk")
    parser.add_argument("--test-sets", type=int, default=6)
    args = parser.parse_args()
    total = args.chunks * args.rows
    chunks = [f"{number:05d}" for number in range(args.chunks)]
    test_sets = [f"test{number}" for number in range(args.test_sets)]
    lines: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, chunk in enumerate(chunks):
            if number < args.distinct:
                make_chunk(folder, chunk, args.rows, test_sets, number)
            else:
                link_chunk(folder, chunk, chunks[number % args.distinct], test_sets)
        clusters = args.rows // ROWS_PER_CLUSTER
        np.save(folder / "clustering/centroids.npy", np.ones((clusters, 1), np.float32))
        (folder / "styles/learned.json").write_text(json.dumps({"styles": sorted(STYLES)}))
        words = folder / "words.txt"
        words.write_text("".join(f"w{number}\n" for number in range(CONCEPTS)))
        clustered = ["--assigned", str(folder / "clustering/clusters"), "--clusters"]
        styled = ["--styles", str(folder / "styles"), "--shares", "photo", "0.5", "drawing", "0.5"]
        search = ["--similarity", str(folder / "similarity"), "--test-sets"]
        for what, options in {
            "gap_match, one test set": ["gap_match", *search, test_sets[0]],
            "gap_match, all test sets": ["gap_match", *search, *test_sets],
            "near, all test sets, half": ["near", *search, *test_sets, "--keep", "0.5"],
            "far, all test sets, a quarter": [*("far", *search, *test_sets, "--keep", "0.25")],
            "random, half": ["random", "--keep", "0.5"],
            "diverse, a tenth of a quarter of the clusters": [
                *("diverse", *clustered, str(clusters // 4), "--keep", "0.1"),
            ],
            "style, a tenth of two styles": ["style", *styled, "--keep", "0.1"],
            "balanced, 20,000 concepts": [
                *("balanced", "--words", str(words), "--cap", str(max(total // 100_000, 1))),
            ],
        }.items():
            seconds, memory = select(folder, chunks, options)
            lines.append([what, f"{seconds:.0f}", f"{total / seconds / 1e6:.2f}", f"{memory:.2f}"])
    print(
        f"{total:,} samples in {args.chunks} chunks ({min(args.chunks, args.distinct)} of them "
        f"distinct), {args.test_sets} test sets. {machine()}.\n"
    )
    print(table(["subset", "seconds", "million samples/s", "peak memory, GB"], lines))


if __name__ == "__main__":
    main()
