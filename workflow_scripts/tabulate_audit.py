"""Write the audit of a gap-matched subset: what was pruned, per class of the tests, in pictures."""

import argparse
from pathlib import Path

from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import named_path, run
from gapmatch.tables.audit import Search, add_pictures, audit, choose_classes
from gapmatch.tables.captions import read_caption
from gapmatch.tables.pictures import Source
from gapmatch.tables.tables import write_table

SHOWN = 10
"""Classes of each test set that are shown to people; the CSV has all."""


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--similarity", type=Path, required=True, help="folder similarity/<embedder>"
    )
    parser.add_argument("--rank", type=int, required=True, help="matched rank of the subset")
    parser.add_argument("--kept", type=Path, required=True, help="folder of kept_<chunk>.parquet")
    parser.add_argument(
        "--whole-pool", type=Path, required=True, help="that of the subset that keeps all"
    )
    several = {
        "--pool-chunks": "chunk.json of each chunk of the pool",
        "--pool-metadata": "metadata_<chunk>.parquet of each",
    }
    for name, description in several.items():
        parser.add_argument(name, type=Path, nargs="+", required=True, help=description)
    named = {
        "--test-chunks": "chunk.json of each test set that the subset was matched to",
        "--test-metadata": "its metadata",
    }
    for name, description in named.items():
        parser.add_argument(
            name,
            type=named_path,
            nargs="+",
            required=True,
            metavar="TEST_SET=FILE",
            help=description,
        )
    parser.add_argument("--classes", type=int, required=True, help="classes to show in pictures")
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument("--pictures", type=Path, required=True, help="output (.parquet)")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    return parser.parse_args()


def main() -> None:
    """Count, choose examples, write."""
    args = parse_arguments()
    metadata = dict(args.test_metadata)
    search = Search(
        similarity=args.similarity,
        test_sets=list(metadata),
        rank=args.rank,
        kept=args.kept,
        pool=args.whole_pool,
        test_metadata=metadata,
    )
    counts, examples = audit(search, args.pool_metadata)
    sources = {"pool": Source(args.pool_chunks, args.pool_metadata)}
    sources |= {name: Source([path], [metadata[name]]) for name, path in args.test_chunks}
    chosen = choose_classes(counts, examples, args.classes)
    write_parquet(args.pictures, add_pictures(chosen, sources))
    shown = counts.group_by("test_set", maintain_order=True).head(SHOWN).drop("captions")
    caption = read_caption(args.caption)
    write_table(counts, args.out, caption, percent_columns=("fraction",), shown=shown)


if __name__ == "__main__":
    run(main)
