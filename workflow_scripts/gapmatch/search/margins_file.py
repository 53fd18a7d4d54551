"""Writing the margins of a pool chunk block by block, as the search finds them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gapmatch.running.atomic import atomic_path
from gapmatch.search.search_tables import margin_column
from gapmatch.similarity.engine import PoolMargins

ROWS_PER_GROUP = 2**17
"""Rows that are held in memory and written together."""


@contextmanager
def margins_writer(
    path: Path, ranks: Sequence[int]
) -> Iterator[Callable[[int, PoolMargins], None]]:
    """Write the margins of a pool chunk as they come, atomically.

    Columns, row-aligned to the chunk's embeddings: row int32, nearest_similarity float32,
    nearest_test_row int32, and margin_rank_K float32 for every rank. In how many blocks they come
    does not change a byte of the file.

    Args:
        path: The file to write.
        ranks: Those of the margins, in their order.

    Yields:
        What takes the first row of a block and its margins, block after block.
    """
    names = [margin_column(rank) for rank in ranks]
    numbers = [pa.int32(), pa.float32(), pa.int32(), *(pa.float32() for _ in names)]
    columns = ["row", "nearest_similarity", "nearest_test_row", *names]
    schema = pa.schema(list(zip(columns, numbers, strict=True)))
    waiting = schema.empty_table()
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as file,
    ):

        def add(start: int, found: PoolMargins) -> None:
            nonlocal waiting
            rows = np.arange(start, start + len(found.nearest_similarity), dtype=np.int32)
            values = [rows, found.nearest_similarity, found.nearest_test_row, *found.margins]
            waiting = pa.concat_tables([waiting, pa.table(values, schema=schema)])
            whole = len(waiting) - len(waiting) % ROWS_PER_GROUP
            if whole:
                write(waiting[:whole])
                waiting = waiting[whole:]

        def write(table: pa.Table) -> None:
            file.write_table(table.combine_chunks(), row_group_size=ROWS_PER_GROUP)

        yield add
        write(waiting)
