"""Measure the search engines against the bare matrix product of the same shape, in one process.

The product of the normalised vectors is the limit: no exact brute-force search can be faster.
Contenders run in turn, several times; medians and ratios are printed as a Markdown table.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from gapmatch.similarity.engine import make_engine


def unit_vectors(rows: int, dimensions: int, seed: int) -> np.ndarray:
    """Return random vectors of length 1: (rows, dimensions), float16."""
    vectors = np.random.default_rng(seed).standard_normal((rows, dimensions), dtype=np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def bare_product(tests: np.ndarray, pool: np.ndarray, block_rows: int) -> None:
    """Multiply all blocks of the pool with the tests in float32 and forget the products."""
    queries = torch.from_numpy(tests.astype(np.float32))
    product = torch.empty(len(tests), block_rows)
    for start in range(0, len(pool), block_rows):
        block = torch.from_numpy(pool[start : start + block_rows].astype(np.float32))
        torch.mm(queries, block.T, out=product[:, : len(block)])


def measure(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run the contenders in turn, ``rounds`` times; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=10_000, help="test images")
    parser.add_argument("--pool", type=int, default=50_000, help="pool samples")
    parser.add_argument("--dimensions", type=int, default=640, help="of the embeddings")
    parser.add_argument("--ranks", type=int, default=2, help="margins computed")
    parser.add_argument("--block-rows", type=int, default=2048, help="pool rows per block")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions")
    arguments = parser.parse_args()
    tests = unit_vectors(arguments.tests, arguments.dimensions, 0)
    pool = unit_vectors(arguments.pool, arguments.dimensions, 1)
    limits = np.full((arguments.ranks, len(tests)), 0.1)
    contenders: dict[str, Callable[[], object]] = {
        "bare product (torch)": lambda: bare_product(tests, pool, arguments.block_rows)
    }
    for name in ("fused", "faiss"):
        engine = make_engine(name, "cpu")
        contenders[f"{name}: margins"] = lambda engine=engine: engine.margins(
            pool, tests, limits, arguments.block_rows
        )
    found = measure(contenders, arguments.rounds)
    bare = found["bare product (torch)"]
    flop = 2 * len(tests) * len(pool) * arguments.dimensions
    print(
        f"{len(tests):,} tests x {len(pool):,} pool samples, {arguments.dimensions} dimensions, "
        f"{arguments.ranks} ranks, {torch.get_num_threads()} threads, "
        f"median of {arguments.rounds}\n"
    )
    print("| what | seconds | GFLOP/s of the product | of the bare product |")
    print("|---|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} | {flop / seconds / 1e9:.0f} | {bare / seconds:.2f} |")


if __name__ == "__main__":
    main()
