"""Search a pool chunk for a test set: the margins of its samples, and nearest neighbours."""

from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.running.option_types import Positive
from gapmatch.search.pool_search import Search, search_chunk
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
    also: list[str] | None = None,
    state: Path | None = None,
) -> None:
    """Search a pool chunk for a test set: the margins of its samples, and nearest neighbours.

    On a GPU the program that comes first reads the chunk for all test sets that are due; the
    others find their results.

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
        also: Names of other test sets, whose files lie in folders of their names beside these.
        state: Folder where results for others wait.
    """
    own = Search(tests, reference_neighbours, margins, neighbours)
    others = [own.of(name) for name in also or []]
    search_chunk(pool, chunk, own, others, ranks, k, engine, state)


if __name__ == "__main__":
    run(search_pool)
