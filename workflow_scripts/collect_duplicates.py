"""Turn the duplicates found in parts of the clusters into one file per chunk."""

from pathlib import Path

from gapmatch.data.embedding_files import embedded_chunks, open_embeddings
from gapmatch.deduplicate import duplicate_files
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.command_line import run


def collect_duplicates(
    *,
    embeddings: Path,
    chunks: list[str],
    parts: list[Path],
    threshold: float,
    out: Path,
    summary: Path,
) -> None:
    """Turn the duplicates found in parts of the clusters into one file per chunk.

    Args:
        embeddings: Folder of the pool's embeddings.
        chunks: Chunk ids.
        parts: Outputs of drop_duplicates.py.
        threshold: Similarity that they were found with, for the summary.
        out: Output: folder of duplicates_<chunk>.parquet.
        summary: Output: summary.json.
    """
    files = embedded_chunks(embeddings, chunks)
    ids = [file.chunk for file in files]
    pool = kept = 0
    for number, file in enumerate(files):
        rows = len(open_embeddings(file.embeddings))
        table = duplicate_files.collect_duplicates(parts, ids, number, rows)
        write_parquet(duplicate_files.duplicates_path(out, file.chunk), table)
        pool += rows
        kept += int(table["kept"].sum())
    counts = {"pool": pool, "kept": kept, "dropped": pool - kept, "threshold": threshold}
    write_json(summary, counts)


if __name__ == "__main__":
    run(collect_duplicates)
