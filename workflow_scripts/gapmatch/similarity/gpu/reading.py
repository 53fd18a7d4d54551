"""Blocks of a dataset on their way to the device, beside the products of earlier ones.

Threads copy rows into one of a few pinned buffers, from which a stream of its own uploads them.
Events keep everyone in order: products wait for the upload of their block, an upload waits until
the products of the block before are through with its buffer on the device, and rows are read into
a buffer once it was uploaded.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from gapmatch.data.embedding_files import Stored, release

ROWS_PER_READ = 4096
"""Rows that a thread copies at one time."""


@dataclass
class _Buffer:
    """Memory for one block at a time, here and on the device."""

    pinned: torch.Tensor
    device: torch.Tensor
    uploaded: torch.cuda.Event
    multiplied: torch.cuda.Event
    reads: list[Future[None]]


class BlockReader:
    """The blocks of a dataset, in order, on the device."""

    def __init__(
        self,
        base: Stored,
        block_rows: int,
        buffers: int,
        device: torch.device,
        readers: ThreadPoolExecutor,
    ) -> None:
        """Begin to read the first blocks.

        Args:
            base: (rows, dim), float16 or float32.
            block_rows: Rows of a block; the last may have fewer.
            buffers: Blocks that are read, uploaded or multiplied at one time.
            device: The GPU.
            readers: Threads that read.
        """
        self._base, self._block_rows, self._readers = base, block_rows, readers
        self._uploads = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        shape = (block_rows, base.shape[1])
        dtype = torch.from_numpy(np.empty(0, base.dtype)).dtype
        self._buffers = [
            _Buffer(
                torch.empty(shape, dtype=dtype, pin_memory=True),
                torch.empty(shape, dtype=dtype, device=device),
                torch.cuda.Event(),  # type: ignore[no-untyped-call]
                torch.cuda.Event(),  # type: ignore[no-untyped-call]
                [],
            )
            for _ in range(min(buffers, self.blocks()))
        ]
        # The memory on the device may have been another's, whose work is still under way; and when
        # an error ends the search, uploads may be under way.
        for number, buffer in enumerate(self._buffers):
            buffer.device.record_stream(self._uploads)
            buffer.multiplied.record()
            self._read(number)

    def blocks(self) -> int:
        """Return the number of blocks."""
        return -(-len(self._base) // self._block_rows)

    def rows(self, number: int) -> slice:
        """Return the rows of a block."""
        first = number * self._block_rows
        return slice(first, min(first + self._block_rows, len(self._base)))

    def upload(self, number: int) -> None:
        """Wait until a block is read, and let it be uploaded; beyond the last one do nothing."""
        if number >= self.blocks():
            return
        buffer = self._buffer(number)
        for read in buffer.reads:
            read.result()
        rows = self.rows(number)
        release(self._base, rows.start, rows.stop - rows.start)
        with torch.cuda.stream(self._uploads):
            self._uploads.wait_event(buffer.multiplied)
            part = slice(0, rows.stop - rows.start)
            buffer.device[part].copy_(buffer.pinned[part], non_blocking=True)
            buffer.uploaded.record(self._uploads)

    @contextmanager
    def on_device(self, number: int) -> Iterator[torch.Tensor]:
        """Give an uploaded block to the products that are asked for meanwhile, (rows, dim)."""
        buffer, rows = self._buffer(number), self.rows(number)
        torch.cuda.current_stream().wait_event(buffer.uploaded)
        yield buffer.device[: rows.stop - rows.start]
        buffer.multiplied.record()
        following = number + len(self._buffers)
        if following < self.blocks():
            buffer.uploaded.synchronize()  # long ago
            self._read(following)

    def _buffer(self, number: int) -> _Buffer:
        return self._buffers[number % len(self._buffers)]

    def _read(self, number: int) -> None:
        """Let threads copy a block into its buffer."""
        buffer, rows = self._buffer(number), self.rows(number)
        pinned = buffer.pinned.numpy()
        buffer.reads = [
            self._readers.submit(_copy, self._base, first, rows, pinned)
            for first in range(rows.start, rows.stop, ROWS_PER_READ)
        ]


def _copy(base: Stored, first: int, rows: slice, pinned: Stored) -> None:
    """Copy some rows of a block to their place in the buffer."""
    last = min(first + ROWS_PER_READ, rows.stop)
    pinned[first - rows.start : last - rows.start] = base[first:last]
