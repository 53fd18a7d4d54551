"""Search a pool chunk for a test set: the margins of its samples, and nearest neighbours."""

from pathlib import Path

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.option_types import Positive
from gapmatch.search.margins_file import margins_writer
from gapmatch.search.search_tables import neighbours_table, thresholds
from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.engines import EngineSettings


def search_pool(
    *,
    pool: Path,
    chunk: str,
    tests: Path,
    reference_neighbours: Path,
    ranks: list[Positive],
    k: Positive,
    engine: EngineSettings,
    margins: Path,
    neighbours: Path,
) -> None:
    """Search a pool chunk for a test set: the margins of its samples, and nearest neighbours.

    Args:
        pool: Embeddings of the pool chunk (.npy).
        chunk: Its chunk id.
        tests: Embeddings of the test set (.npy).
        reference_neighbours: Output of search_reference.py.
        ranks: Matched ranks K, such as 1 5 10.
        k: Neighbours per test image.
        engine: How to search.
        margins: Output: margins_<chunk>.parquet.
        neighbours: Output: pool_neighbours_<chunk>.parquet.
    """
    vectors = open_embeddings(tests)
    test_set = TestVectors(vectors, thresholds(reference_neighbours, ranks, len(vectors)))
    with margins_writer(margins, ranks) as write:
        found = engine.make().search(
            open_embeddings(pool), [test_set], k, lambda _, start, block: write(start, block)
        )
        write_parquet(neighbours, neighbours_table(found[0], chunk))


if __name__ == "__main__":
    run(search_pool)
