"""Turn the duplicates found in parts of the clusters into one file per chunk."""

import argparse
from pathlib import Path

from gapmatch.data.embedding_files import embedded_chunks, open_embeddings
from gapmatch.deduplicate.duplicate_files import collect_duplicates, duplicates_path
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.command_line import run


def main() -> None:
    """Write the files of all chunks, then a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder of the dataset's embeddings"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument(
        "--parts", type=Path, nargs="+", required=True, help="outputs of drop_duplicates.py"
    )
    parser.add_argument(
        "--threshold", type=float, required=True, help="that they were found with, for the summary"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of duplicates")
    parser.add_argument("--summary", type=Path, required=True, help="summary.json")
    args = parser.parse_args()

    files = embedded_chunks(args.embeddings, args.chunks)
    chunks = [file.chunk for file in files]
    pool = kept = 0
    for number, file in enumerate(files):
        rows = len(open_embeddings(file.embeddings))
        table = collect_duplicates(args.parts, chunks, number, rows)
        write_parquet(duplicates_path(args.out, file.chunk), table)
        pool += rows
        kept += int(table["kept"].sum())
    summary = {"pool": pool, "kept": kept, "dropped": pool - kept, "threshold": args.threshold}
    write_json(args.summary, summary)


if __name__ == "__main__":
    run(main)
