"""Searching a pool chunk for one test set, or in one pass for all that are due."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.shared_pass import Request, beside, fetched, share_pass
from gapmatch.search.margins_file import margins_writer
from gapmatch.search.search_tables import neighbours_table, thresholds
from gapmatch.similarity.engine import PoolMargins, TestVectors
from gapmatch.similarity.engines import EngineSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """The files of a search of a chunk for one test set, each in a folder named after the set.

    Attributes:
        tests: Embeddings of the test set.
        reference_neighbours: Its nearest reference images.
        margins: Output: margins of the chunk.
        neighbours: Output: nearest images of the chunk.
    """

    tests: Path
    reference_neighbours: Path
    margins: Path
    neighbours: Path

    @property
    def test_set(self) -> str:
        """The name of the test set."""
        return self.tests.absolute().parents[1].name

    def of(self, test_set: str) -> "Search":
        """Return the files of the same search for another test set."""
        return Search(
            beside(self.tests, 1, test_set),
            beside(self.reference_neighbours, 0, test_set),
            beside(self.margins, 1, test_set),
            beside(self.neighbours, 1, test_set),
        )


def search_chunk(
    pool: Path,
    chunk: str,
    own: Search,
    others: Sequence[Search],
    ranks: Sequence[int],
    k: int,
    engine: EngineSettings,
    state: Path | None,
) -> None:
    """Search a pool chunk for a test set; on a GPU, also for the others that are due.

    On a CPU the product takes so long that reading counts for little, and the jobs of other test
    sets may have processors of their own.

    Args:
        pool: Embeddings of the chunk.
        chunk: Its chunk id.
        own: The search of this job.
        others: Those of other jobs.
        ranks: Matched ranks.
        k: Neighbours per test image.
        engine: How to search.
        state: Folder where results for others wait; None searches for this job alone.
    """

    def compute(wanted: Sequence[tuple[Request, Sequence[Path]]]) -> None:
        searches = [Search(*one.inputs[1:], *outputs) for one, outputs in wanted]
        try:
            _search(pool, chunk, searches, ranks, k, engine)
        except InputError as error:
            if len(searches) == 1:
                raise
            logger.warning("searching for %s alone, because of: %s", own.test_set, error)
            _search(pool, chunk, searches[:1], ranks, k, engine)

    if state is None:
        _search(pool, chunk, [own], ranks, k, engine)
        return
    request = _request(pool, own)
    settings = f"ranks {list(ranks)}, {k} neighbours, engine {engine.engine}"
    # First, because this does not need torch, whose import takes seconds.
    if fetched(state, request, settings):
        return
    if engine.on_gpu():
        share_pass(state, request, [_request(pool, one) for one in others], settings, compute)
    else:
        _search(pool, chunk, [own], ranks, k, engine)


def _request(pool: Path, one: Search) -> Request:
    inputs = (pool, one.tests, one.reference_neighbours)
    return Request(one.test_set, inputs, (one.margins, one.neighbours))


def _search(
    pool: Path,
    chunk: str,
    searches: Sequence[Search],
    ranks: Sequence[int],
    k: int,
    engine: EngineSettings,
) -> None:
    """Search a chunk for some test sets, in one pass."""
    test_sets = []
    for one in searches:
        vectors = open_embeddings(one.tests)
        limits = thresholds(one.reference_neighbours, ranks, len(vectors))
        test_sets.append(TestVectors(vectors, limits))
    with ExitStack() as files:
        writers = [files.enter_context(margins_writer(one.margins, ranks)) for one in searches]

        def receive(place: int, start: int, block: PoolMargins) -> None:
            writers[place](start, block)

        found = engine.make().search(open_embeddings(pool), test_sets, k, receive)
        for one, neighbours in zip(searches, found, strict=True):
            write_parquet(one.neighbours, neighbours_table(neighbours, chunk))
