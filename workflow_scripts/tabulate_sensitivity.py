"""Count how much gap matching would prune with fewer other classes in the reference."""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from gapmatch.data.embedding_files import embedded_chunks, open_chunks, open_embeddings
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import run
from gapmatch.similarity.arguments import add_engine_arguments, chosen_engine
from gapmatch.similarity.engine import TestSet, find_margins
from gapmatch.tables import sensitivity
from gapmatch.tables.composition import SENSITIVITY_SCHEMA


def main() -> None:
    """Search with reduced references, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=Path, required=True, help="embeddings of the test set")
    parser.add_argument("--test-metadata", type=Path, required=True, help="its metadata")
    parser.add_argument("--reference", type=Path, required=True, help="folder of embeddings")
    parser.add_argument("--reference-chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument("--pool", type=Path, required=True, help="folder of embeddings")
    parser.add_argument("--pool-chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument(
        "--kept", type=Path, required=True, help="folder of the subset that keeps the whole pool"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the order of classes")
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="output (.csv)")
    arguments = parser.parse_args()

    engine = chosen_engine(arguments)
    tests = open_embeddings(arguments.tests)
    tested = set(pl.read_parquet(arguments.test_metadata)["class_name"].drop_nulls())
    reference = embedded_chunks(arguments.reference, arguments.reference_chunks)
    names = [pl.read_parquet(chunk.metadata)["class_name"] for chunk in reference]
    others = sensitivity.nested_classes(sorted(set(pl.concat(names)) - tested), arguments.seed)
    counts = sensitivity.class_counts(len(others))
    kept = [
        [np.flatnonzero(name.is_in([*tested, *others[:count]]).to_numpy()) for name in names]
        for count in counts
    ]
    thresholds = sensitivity.reduced_thresholds(engine, tests, open_chunks(reference), kept)
    frames = []
    for chunk in embedded_chunks(arguments.pool, arguments.pool_chunks):
        pool = open_embeddings(chunk.embeddings)
        margins = find_margins(engine, pool, TestSet(tests, thresholds))
        rows = pl.read_parquet(arguments.kept / f"kept_{chunk.chunk}.parquet")["row"].to_numpy()
        metadata = pl.read_parquet(chunk.metadata)
        frames.append(sensitivity.count_by_threshold(margins, metadata, rows, tested))
    classes = pl.DataFrame({"part": range(len(counts)), "classes": counts}).cast(pl.Int32)
    frame = (
        pl.concat(frames)
        .group_by("part", "style", "test_class")
        .agg(pl.col("pool", "pruned").sum())
        .join(classes, on="part")
        .with_columns(fraction=pl.col("pruned") / pl.col("pool"))
        .sort("classes", "style", "test_class")
        .select(*SENSITIVITY_SCHEMA)
    )
    write_text(arguments.out, frame.write_csv())


if __name__ == "__main__":
    run(main)
