"""Measure the search against the bare matrix product of the same shape, and against its peers.

Everybody answers the same: for two test sets, of every pool sample the nearest test image and the
margins for two ranks, and of every test image the nearest pool samples. Speed is given as the rate
of the one product that the answers need, whatever a contender really computes. Who is slow gets
only the first rows of the chunk; a rate does not depend on how many there are.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import authors_method
import numpy as np
import numpy.typing as npt
import torch
from timing import in_turn, machine, table

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.engines import make_engine
from gapmatch.similarity.faiss_engine import FaissEngine
from gapmatch.similarity.fused import FusedEngine

Half = npt.NDArray[np.float16]

RANKS = 2
MEMORY_MB = 16_000
FLOP = {"bare": 1e12, "fused": 6.4e12, "slow": 2e11}
"""Work given to a contender, at most: some ten seconds on two cores."""


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


def bare_product(pool: Half, tests: Half, device: str) -> None:
    """Multiply blocks of the pool, converted beforehand, with the tests; forget the products."""
    low = torch.float16 if device == "cuda" else torch.float32
    queries = torch.from_numpy(tests).to(device, low)
    rows, columns = (1024, 4096) if device == "cpu" else (8192, 65536)
    for start in range(0, len(pool), columns):
        block = torch.from_numpy(np.array(pool[start : start + columns])).to(device, low)
        for first in range(0, len(queries), rows):
            torch.mm(queries[first : first + rows], block.T)
    if device == "cuda":
        torch.cuda.synchronize()


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
        return max(4096, min(len(pool), int(FLOP[kind] / work)))

    def forget(*_: object) -> None:
        pass

    fused = make_engine("fused", device, threads, MEMORY_MB)
    contenders = {
        "bare product": (rows("bare"), lambda part: bare_product(part, tests, device)),
        "fused": (rows("fused"), lambda part: fused.search(part, test_sets, k, forget)),
    }
    if device == "cpu":
        full = FusedEngine(threads, MEMORY_MB, dtype=torch.float32)
        contenders["fused, float32"] = (
            rows("fused"),
            lambda part: full.search(part, test_sets, k, forget),
        )
    faiss = FaissEngine(device, threads) if device == "cpu" else None
    if faiss:
        contenders |= {
            "faiss": (rows("slow"), lambda part: faiss.search(part, test_sets, k, forget)),
            "authors' method": (rows("slow"), lambda part: as_the_authors(part, test_sets)),
            "NumPy": (rows("slow"), lambda part: with_numpy(part, test_sets, k)),
        }
    runs = {name: partial(run, pool[:number]) for name, (number, run) in contenders.items()}
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
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
                    limits = np.stack([rng.uniform(0.8, 0.95, number) for _ in range(RANKS)])
                    limits[1] -= 0.05
                    half = number // 2
                    sets = [
                        TestVectors(tests[:half], limits[:, :half]),
                        TestVectors(tests[half:], limits[:, half:]),
                    ]
                    lines += compare(pool, sets, args.k, args.rounds, args.threads, args.device)
                    print(lines[-1], file=sys.stderr)
    print(
        f"Two test sets, {RANKS} ranks, {args.k} neighbours; {args.threads} threads; medians of "
        f"{args.rounds} rounds in turn. {machine()}.\n"
    )
    columns = ["dim", "tests", "chunk", "who", "rows given", "seconds", "GFLOP/s of the product"]
    print(table([*columns, "of the bare product", "fused speedup"], lines))


if __name__ == "__main__":
    main()
