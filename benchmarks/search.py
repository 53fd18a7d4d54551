"""Measure the search against the bare matrix product of the same shape, and against its peers.

Everybody answers the same: for two test sets, of every pool sample the nearest test image and the
margins for two ranks, and of every test image the nearest pool samples. Speed is given as the rate
of the one product that the answers need, whatever a contender really computes. Who is slow gets
only the first rows of the chunk; a rate does not depend on how many there are.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import authors_method
import numpy as np
import numpy.typing as npt
import torch
from timing import in_turn, machine, table

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.similarity.engine import Engine, TestVectors
from gapmatch.similarity.engines import make_engine
from gapmatch.similarity.faiss_engine import FaissEngine, computes_on_gpu
from gapmatch.similarity.fused import FusedEngine
from gapmatch.similarity.gpu.engine import GpuEngine
from gapmatch.similarity.gpu.products import TorchProducts

Half = npt.NDArray[np.float16]

MEMORY_MB = 16_000
FLOP = {
    "cpu": {"bare": 1e12, "fused": 6.4e12, "slow": 2e11},
    "cuda": {"bare": 2e15, "fused": 2e15, "slow": 5e13},
}
"""Work given to a contender, at most: some ten seconds on two cores, or on a GPU."""


def embeddings(rng: np.random.Generator, rows: int, dim: int, centres: Half) -> Half:
    """Return vectors like those of images: around centres that share a direction."""
    vectors = rng.standard_normal((rows, dim), dtype=np.float32) * (0.6 / dim**0.5)
    vectors += centres[rng.integers(0, len(centres), rows)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    half: Half = vectors.astype(np.float16)
    return half


def make_chunk(path: Path, rng: np.random.Generator, rows: int, dim: int, centres: Half) -> Half:
    """Write a chunk of embeddings, and map it as the programs do."""
    file = np.lib.format.open_memmap(path, "w+", np.float16, (rows, dim))
    for start in range(0, rows, 50_000):
        part = embeddings(rng, min(50_000, rows - start), dim, centres)
        file[start : start + len(part)] = part
    file.flush()
    chunk: Half = np.asarray(open_embeddings(path), dtype=np.float16)
    return chunk


def bare_product(pool: Half, tests: Half) -> None:
    """Multiply blocks of the pool with the tests in float32 on the CPU; forget the products."""
    queries = torch.from_numpy(tests).float()
    for start in range(0, len(pool), 4096):
        block = torch.from_numpy(np.array(pool[start : start + 4096])).float()
        for first in range(0, len(queries), 1024):
            torch.mm(queries[first : first + 1024], block.T)


def bare_product_on_gpu(pool: Half, tests: Half) -> Callable[[], None]:
    """Return what multiplies the whole pool, uploaded here, with the tests by cuBLAS."""
    queries, base = (torch.from_numpy(np.array(one)).to("cuda") for one in (tests, pool))

    def multiply() -> None:
        for start in range(0, len(base), 2**16):
            block = base[start : start + 2**16]
            for first in range(0, len(queries), 2**13):
                torch.mm(queries[first : first + 2**13], block.T, out_dtype=torch.float32)
        torch.cuda.synchronize()

    return multiply


def with_numpy(pool: Half, test_sets: list[TestVectors], k: int) -> None:
    """Search with NumPy, block by block."""
    for tests in test_sets:
        queries = tests.vectors.astype(np.float32)
        limits = tests.thresholds.astype(np.float32)[:, :, None]
        best = np.empty((len(queries), 0), np.float32)
        for start in range(0, len(pool), 4096):
            scores = queries @ pool[start : start + 4096].astype(np.float32).T
            scores.max(axis=0), scores.argmax(axis=0)
            for limit in limits:
                (scores - limit).max(axis=0)
            best = np.concatenate([best, np.partition(scores, -k, axis=1)[:, -k:]], axis=1)
            best = np.partition(best, -k, axis=1)[:, -k:]


def as_the_authors(pool: Half, test_sets: list[TestVectors]) -> None:
    """Search as in ``authors_method``, one test set after the other."""
    for tests in test_sets:
        authors_method.search(pool, tests.vectors, tests.thresholds)


def compare(
    pool: Half, test_sets: list[TestVectors], k: int, rounds: int, threads: int, device: str
) -> list[list[object]]:
    """Return rows of the table for one shape."""
    tests = np.concatenate([one.vectors for one in test_sets])
    work = 2.0 * len(tests) * pool.shape[1]

    def rows(kind: str) -> int:
        return max(4096, min(len(pool), int(FLOP[device][kind] / work)))

    def searched(engine: Engine, kind: str) -> tuple[int, Callable[[], object]]:
        part = pool[: rows(kind)]
        return len(part), lambda: engine.search(part, test_sets, k, lambda *_: None)

    fused = make_engine("fused", device, threads, MEMORY_MB)
    bare, slow = pool[: rows("bare")], pool[: rows("slow")]
    contenders: dict[str, tuple[int, Callable[[], object]]]
    if device == "cuda":
        # Triton compiles, and memory is pinned.
        fused.search(pool[:8192], test_sets, k, lambda *_: None)
        contenders = {
            "bare product": (len(bare), bare_product_on_gpu(bare, tests)),
            "fused": searched(fused, "fused"),
            "fused, by torch": searched(
                GpuEngine(threads, MEMORY_MB, products=TorchProducts()), "slow"
            ),
        }
        if computes_on_gpu():
            contenders["faiss"] = searched(FaissEngine(device, threads), "slow")
    else:
        contenders = {
            "bare product": (len(bare), partial(bare_product, bare, tests)),
            "fused": searched(fused, "fused"),
            "fused, float32": searched(
                FusedEngine(threads, MEMORY_MB, dtype=torch.float32), "fused"
            ),
            "faiss": searched(FaissEngine(device, threads), "slow"),
            "authors' method": (len(slow), partial(as_the_authors, slow, test_sets)),
            "NumPy": (len(slow), partial(with_numpy, slow, test_sets, k)),
        }
    runs = {name: run for name, (_, run) in contenders.items()}
    torch.set_num_threads(threads)
    seconds = in_turn(runs, rounds)
    rates = {name: work * contenders[name][0] / seconds[name] / 1e9 for name in runs}
    return [
        [
            pool.shape[1],
            f"{len(tests):,}",
            f"{len(pool):,}",
            name,
            f"{contenders[name][0]:,}",
            f"{seconds[name]:.2f}",
            f"{rate:.0f}",
            f"{rate / rates['bare product']:.2f}",
            f"{rates['fused'] / rate:.1f}",
        ]
        for name, rate in rates.items()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[640, 512])
    parser.add_argument("--tests", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--chunk", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--k", type=int, default=20, help="neighbours per test image")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cuda" if torch.cuda.is_available() else "cpu",
    )
    args = parser.parse_args()
    lines: list[list[object]] = []
    for dim in args.dimensions:
        rng = np.random.default_rng(0)
        centres = embeddings(rng, 1000, dim, np.zeros((1, dim), np.float16))
        centres = embeddings(rng, 1000, dim, centres[:1])
        with tempfile.TemporaryDirectory() as folder:
            for chunk in args.chunk:
                pool = make_chunk(Path(folder) / "chunk.npy", rng, chunk, dim, centres)
                for number in args.tests:
                    tests = embeddings(rng, number, dim, centres)
                    limits = rng.uniform(0.75, 0.95, (args.ranks, number))
                    limits = -np.sort(-limits, axis=0)
                    half = number // 2
                    sets = [
                        TestVectors(tests[:half], limits[:, :half]),
                        TestVectors(tests[half:], limits[:, half:]),
                    ]
                    lines += compare(pool, sets, args.k, args.rounds, args.threads, args.device)
                    print(lines[-1], file=sys.stderr)
    print(
        f"Two test sets, {args.ranks} ranks, {args.k} neighbours; {args.threads} threads; medians "
        f"of {args.rounds} rounds in turn. {machine()}.\n"
    )
    columns = ["dim", "tests", "chunk", "who", "rows given", "seconds", "GFLOP/s of the product"]
    print(table([*columns, "of the bare product", "fused speedup"], lines))


if __name__ == "__main__":
    main()
