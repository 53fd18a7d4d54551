"""Find the nearest reference images of every image of a test set."""

from pathlib import Path

from gapmatch.data.embedding_files import embedded_chunks, open_chunks, open_embeddings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Positive
from gapmatch.search.merging import merge_neighbours
from gapmatch.search.search_tables import neighbours_table
from gapmatch.similarity.engine import find_neighbours
from gapmatch.similarity.engines import EngineSettings


def search_reference(
    *,
    tests: Path,
    reference: Path,
    chunks: list[str],
    k: Positive,
    engine: EngineSettings,
    out: Path,
) -> None:
    """Find the nearest reference images of every image of a test set.

    Args:
        tests: Embeddings of the test set (.npy).
        reference: Folder of the reference's embeddings.
        chunks: Chunk ids of the reference.
        k: Neighbours per test image.
        engine: How to search.
        out: Output: reference_neighbours.parquet.
    """
    search, vectors = engine.make(), open_embeddings(tests)
    files = embedded_chunks(reference, chunks)
    stored = open_chunks(files)
    rows = sum(map(len, stored))
    if k > rows:
        raise InputError(
            f"search.reference_neighbours is {k} but the reference {reference} holds "
            f"only {rows} images; lower it to at most {rows}."
        )
    tables = (
        neighbours_table(find_neighbours(search, vectors, chunk, k), file.chunk)
        for file, chunk in zip(files, stored, strict=True)
    )
    write_parquet(out, merge_neighbours(tables, k))


if __name__ == "__main__":
    run(search_reference)
