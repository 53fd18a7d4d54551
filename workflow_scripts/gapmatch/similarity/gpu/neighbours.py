"""The nearest rows of every test image over all blocks, on the device."""

import numpy as np
import numpy.typing as npt
import torch

from gapmatch.data.embedding_files import Float64

NO_ROW = np.iinfo(np.int64).max
"""In place of a row that was not found yet."""


class NearestRows:
    """The k nearest rows so far, by exact similarity and then by row.

    What is found is collected; it is sorted in when it is more than what is kept. Pairs found may
    therefore exceed what turns out to be needed, by as much as is kept.
    """

    def __init__(self, tests: int, k: int, device: torch.device) -> None:
        """Start with no rows; ``k`` is at least 1."""
        self.k = k
        self._similarity = torch.full((tests, k), -torch.inf, dtype=torch.float64, device=device)
        self._row = torch.full((tests, k), NO_ROW, dtype=torch.int64, device=device)
        self._new: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._waiting = 0
        self._seen = 0

    def floor(self) -> torch.Tensor:
        """Return (tests,), float64: a similarity that k rows of the test are known to reach."""
        return self._similarity[:, -1]

    def full(self) -> bool:
        """Return whether the floor says something."""
        return self._seen >= self.k

    def add(self, tests: torch.Tensor, rows: torch.Tensor, similarity: torch.Tensor) -> None:
        """Take in pairs with their exact similarities, (pairs,) each; a pair comes once."""
        self._new.append((tests, rows, similarity))
        self._waiting += len(tests)
        if self._waiting > self._similarity.numel():
            self._sort_in()

    def finish_block(self, rows: int) -> None:
        """Say that all pairs of a block of so many rows were added."""
        if not self.full():
            self._sort_in()
        self._seen += rows

    def _sort_in(self) -> None:
        """Keep the k best of what is kept and what is new."""
        tests, k = self._similarity.shape
        device = self._row.device
        kept = torch.arange(tests, device=device).repeat_interleave(k, output_size=tests * k)
        parts = [(kept, self._row.flatten(), self._similarity.flatten()), *self._new]
        self._new, self._waiting = [], 0
        test, row, similarity = (torch.cat(some) for some in zip(*parts, strict=True))
        del parts, kept
        order = row.argsort(stable=True)
        order = order[similarity[order].argsort(stable=True, descending=True)]
        order = order[test[order].argsort(stable=True)]
        test, row, similarity = test[order], row[order], similarity[order]
        first = torch.searchsorted(test, torch.arange(tests, device=device))
        place = torch.arange(len(test), device=device) - first[test]
        # The last place takes all that is not among the k best.
        there = (test * k + place).masked_fill(place >= k, tests * k)
        self._similarity = _scattered(similarity, there, tests, k)
        self._row = _scattered(row, there, tests, k)

    def found(self, tests: torch.Tensor) -> tuple[Float64, npt.NDArray[np.int64]]:
        """Return similarities and rows of some tests, (n, k) each, nearest first."""
        self._sort_in()
        return self._similarity[tests].cpu().numpy(), self._row[tests].cpu().numpy()


def _scattered(values: torch.Tensor, there: torch.Tensor, tests: int, k: int) -> torch.Tensor:
    out = values.new_empty(tests * k + 1)
    out[there] = values
    return out[:-1].view(tests, k)
