"""The search on a real GPU: the processor's answers, whatever the sizes and the timing."""

import os
import subprocess
import sys

import numpy as np
import oracle
import pytest
import torch
from programs import ROOT

from gapmatch.running.errors import InputError
from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.faiss_engine import FaissEngine, computes_on_gpu
from gapmatch.similarity.fused import FusedEngine
from gapmatch.similarity.gpu import engine as gpu_engine
from gapmatch.similarity.gpu import memory
from gapmatch.similarity.gpu.choice import LEAST_CAPABILITY
from gapmatch.similarity.gpu.engine import GpuEngine
from gapmatch.similarity.gpu.products import TorchProducts
from gapmatch.similarity.gpu.reading import BlockReader

DIM = 640
K = 20
SLEEP = 50_000_000
"""Clock cycles, some 30 ms: much longer than a block of these tests takes."""


@pytest.fixture(scope="module")
def question():
    """A pool, and three test sets with two ranks: of one image, of some, of many."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((300, DIM))

    def near(rows):
        return oracle.stored(centres[rng.integers(0, 300, rows)] + rng.normal(0, 0.7, (rows, DIM)))

    pool, reference = near(30_000), near(2000)
    tests = [near(number) for number in (1, 700, 4000)]
    pool[5000:5200] = reference[:200]
    pool[9000:9100] = pool[0]
    tests[1][100:200] = tests[1][0]
    return pool, [TestVectors(one, oracle.thresholds(one, reference, [1, 5])) for one in tests]


def answers(engine, question):
    """Margins of all test sets, and neighbours, as arrays."""
    pool, test_sets = question
    parts = [[] for _ in test_sets]
    nearest = engine.search(pool, test_sets, K, lambda place, _, part: parts[place].append(part))
    arrays = []
    for found, neighbours in zip(parts, nearest, strict=True):
        arrays.append(np.concatenate([part.margins for part in found], axis=1))
        arrays.append(np.concatenate([part.nearest_similarity for part in found]))
        arrays.append(np.concatenate([part.nearest_test_row for part in found]))
        arrays += [neighbours.similarity, neighbours.row]
    return arrays


@pytest.fixture(scope="module")
def expected(question):
    return answers(FusedEngine(os.cpu_count() or 1, 8192), question)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def products(name):
    from gapmatch.similarity.gpu.triton_products import Tiles, TritonProducts

    made = {
        "kernels": TritonProducts,
        "kernels, smaller tiles": lambda: TritonProducts(Tiles(64, 32, 4, 2)),
        "torch": TorchProducts,
        "torch, smaller tiles": lambda: TorchProducts(64, 2**20),
    }
    return made[name]()


@pytest.mark.parametrize("block_rows", [None, 1000, 7777])
@pytest.mark.parametrize(
    "name", ["kernels", "kernels, smaller tiles", "torch", "torch, smaller tiles"]
)
def test_answers_are_the_processors_for_all_sizes_each_time(name, block_rows, question, expected):
    engine = GpuEngine(4, 4096, block_rows, products(name))
    for _ in range(3):
        assert_equal(answers(engine, question), expected)


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < LEAST_CAPABILITY,
    reason="this card takes torch's products",
)
def test_the_kernels_are_what_this_card_takes():
    assert GpuEngine(1, 4096)._products.fused, "see the warning in the log for the reason"


@pytest.mark.parametrize("slow", ["uploads", "products", "both"])
def test_no_answer_depends_on_which_stream_is_slow(slow, question, expected, monkeypatch):
    class SlowReader(BlockReader):
        def upload(self, number):
            with torch.cuda.stream(self._uploads):
                torch.cuda._sleep(SLEEP)
            super().upload(number)

    class SlowSearch(gpu_engine._Search):
        def block(self, *arguments):
            torch.cuda._sleep(SLEEP)
            return super().block(*arguments)

    if slow != "products":
        monkeypatch.setattr(gpu_engine, "BlockReader", SlowReader)
    if slow != "uploads":
        monkeypatch.setattr(gpu_engine, "_Search", SlowSearch)
    assert_equal(answers(GpuEngine(4, 4096, 3000), question), expected)


def test_the_memory_is_within_what_was_reckoned(question, monkeypatch):
    reckoned = []
    choose = memory.choose_block_rows

    def recorded(device, sizes, *rest):
        rows = choose(device, sizes, *rest)
        reckoned.append(memory.fixed_bytes(sizes) + rows * memory.row_bytes(sizes))
        return rows

    monkeypatch.setattr(gpu_engine, "choose_block_rows", recorded)
    monkeypatch.setattr(memory, "BESIDE", 2**29)  # or it would hide all else
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answers(GpuEngine(4, 4096), question)
    assert torch.cuda.max_memory_allocated() - before <= reckoned[0]


def test_a_card_that_is_full_says_what_would_do(question):
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    hog = torch.empty(max(0, free - 2**30), dtype=torch.uint8, device="cuda")
    with pytest.raises(InputError, match=r"compute\.device: .* MiB free, and .* need at least"):
        answers(GpuEngine(4, 4096, None, TorchProducts()), question)
    del hog
    torch.cuda.empty_cache()


CERTIFY = """
import numpy as np, sys, torch
from pathlib import Path
from gapmatch.subset.certificate import Chunk, load, largest_similarities
assert torch.backends.cuda.matmul.allow_tf32, "the override is what is tested"
path = Path(sys.argv[1])
stored = np.load(path).astype(np.float64)
tests = load(path, slice(0, 500))
chunk = Chunk(path, 3000, lambda: {"s": np.arange(3000) >= 500})
found = largest_similarities({"t": tests}, {"s": ["t"]}, [chunk], 1, 1000, "cuda")["s"]["t"]
unit = stored / np.linalg.norm(stored, axis=1, keepdims=True)
print(np.abs(found[:, 0] - (unit[:500] @ unit[500:].T).max(axis=1)).max())
"""


def test_certificates_are_exact_where_tf32_is_turned_on(question, tmp_path):
    np.save(tmp_path / "vectors.npy", question[0][:3000])
    done = subprocess.run(
        [sys.executable, "-c", CERTIFY, str(tmp_path / "vectors.npy")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
            "PYTHONPATH": str(ROOT / "workflow_scripts"),
        },
    )
    assert float(done.stdout) < 2e-6


@pytest.mark.skipif(not computes_on_gpu(), reason="the installed FAISS has no code for GPUs")
def test_faiss_on_the_gpu_answers_alike(question, expected):
    assert_equal(answers(FaissEngine("cuda", 4, 10_000), question), expected)
