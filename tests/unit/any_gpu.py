"""The GPU's engine where there is a GPU, and on a pretend one where there is none."""

import contextlib

import torch
from pretend_cuda import pretend_gpu

from gapmatch.similarity.gpu.engine import GpuEngine
from gapmatch.similarity.gpu.products import TorchProducts


def any_gpu(**settings):
    """Enter a pretend GPU unless there is one."""
    return contextlib.nullcontext() if torch.cuda.is_available() else pretend_gpu(**settings)


class AnyGpu:
    """An engine whose every search is on a GPU of its own."""

    def __init__(self, block_rows=None, tile=128, products=None):
        self._block_rows = block_rows
        self._products = products or TorchProducts(max(1, tile), 2**12)

    def search(self, *question):
        with any_gpu():
            return GpuEngine(2, 4096, self._block_rows, self._products).search(*question)
