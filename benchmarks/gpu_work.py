"""Count the work of a search on a GPU, on a pretend one: bytes per score, and how often one waits.

No time is measured, and no GPU is needed: every operation that the engine asks for is computed on
the processor, and its bytes are counted as if each operand were read and each result written once.
What a cache of the GPU reads again is not in it.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from pretend_cuda import Gpu, pretend_gpu
from search import embeddings
from timing import machine, table

from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.gpu.engine import GpuEngine
from gapmatch.similarity.gpu.products import Members, Peaks, Products, Shortlist, TorchProducts

BANDWIDTH = 3.35e12
"""Bytes a second of an H100's memory (NVIDIA's data sheet)."""


class CountedKernels(TorchProducts):
    """Torch's results; the bytes that Triton's kernels read and write for them."""

    fused = True

    def __init__(self, gpu: Gpu) -> None:
        """Count on a pretend GPU."""
        super().__init__()
        self._gpu = gpu

    def _count(self, kernel: str, *tensors: torch.Tensor | None) -> None:
        self._gpu.work.bytes[kernel] += sum(one.nbytes for one in tensors if one is not None)

    def peaks(
        self,
        tests: torch.Tensor,
        block: torch.Tensor,
        limits: torch.Tensor,
        group: int,
        row_group: int,
    ) -> Peaks:
        """See ``Products.peaks``."""
        with self._gpu.off_the_books():
            found = super().peaks(tests, block, limits, group, row_group)
        self._count("kernel: peaks", tests, block, limits, found.columns, found.rows)
        return found

    def members(self, lists: Sequence[Shortlist], most: int) -> list[Members]:
        """See ``Products.members``."""
        with self._gpu.off_the_books():
            found = super().members(lists, most)
        for one, members in zip(lists, found, strict=True):
            self._count("kernel: members", one.grouped, one.other, one.limits, one.bounds)
            self._count("kernel: members", *(members or ()))
            vector = one.others.shape[1] * one.others.itemsize
            self._gpu.work.bytes["kernel: members"] += len(one.other) * vector
        self._gpu.work.waits["download"] += 1
        return found

    def dots(
        self, left: torch.Tensor, i: torch.Tensor, right: torch.Tensor, j: torch.Tensor
    ) -> torch.Tensor:
        """See ``Products.dots``."""
        with self._gpu.off_the_books():
            found = super().dots(left, i, right, j)
        self._count("kernel: dots", i, j, found)
        self._gpu.work.bytes["kernel: dots"] += 2 * len(i) * left.shape[1] * left.itemsize
        return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, default=640)
    parser.add_argument("--tests", type=int, nargs="+", default=[4000, 4000])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--block-rows", type=int, default=2**15)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--k", type=int, default=20)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = embeddings(rng, 1000, args.dim, np.zeros((1, args.dim), np.float16))
    centres = embeddings(rng, 1000, args.dim, centres[:1])
    pool = embeddings(rng, args.block_rows * args.blocks, args.dim, centres)
    test_sets = []
    for number in args.tests:
        limits = -np.sort(-rng.uniform(0.75, 0.95, (args.ranks, number)), axis=0)
        test_sets.append(TestVectors(embeddings(rng, number, args.dim, centres), limits))
    scores = len(pool) * sum(args.tests)
    lines: list[list[object]] = []
    for name in ("kernels", "torch"):
        with pretend_gpu(memory=80 * 2**30) as gpu:
            products: Products = CountedKernels(gpu) if name == "kernels" else TorchProducts()
            engine = GpuEngine(2, 16_000, args.block_rows, products)
            engine.search(pool, test_sets, args.k, lambda *_: None)
        total = sum(gpu.work.bytes.values())
        parts = [("in all", total), *gpu.work.bytes.most_common(8)]
        for part, moved in parts:
            share = moved / scores
            lines.append([name, part, f"{share:.3f}", f"{share / BANDWIDTH * 1e12:.3f}"])
        for why, times in sorted(gpu.work.waits.items()):
            lines.append([name, f"waits for: {why}", times, ""])
    print(
        f"{args.blocks} blocks of {args.block_rows:,} rows, test sets of {args.tests} images, "
        f"{args.dim} dimensions, {args.ranks} ranks, {args.k} neighbours. {machine()}.\n"
    )
    print(
        table(["products by", "what", "bytes a score, or times", "ps a score at 3.35 TB/s"], lines)
    )


if __name__ == "__main__":
    main()
