"""What the engine does beside its answers, on a pretend GPU: waiting, order, bytes, memory.

Its answers are tested with those of the other engines, in ``test_engines``.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pretend_cuda
import pytest
import torch
from pretend_cuda import RaceError, pretend_gpu

from gapmatch.data.embedding_files import embedding_path, open_embeddings
from gapmatch.running.errors import InputError
from gapmatch.similarity.engine import TestVectors, find_margins, find_neighbours
from gapmatch.similarity.engines import make_engine
from gapmatch.similarity.gpu import engine as gpu_engine
from gapmatch.similarity.gpu import memory, reading, shortlist
from gapmatch.similarity.gpu.engine import GpuEngine
from gapmatch.similarity.gpu.products import TorchProducts
from gapmatch.similarity.gpu.triton_products import TritonProducts
from gapmatch.similarity.gpu.winners import similarities

DIM = 24


def clustered(rng, rows):
    """Vectors around few centres, so that neither groups nor neighbours are all alike."""
    centres = np.random.default_rng(0).standard_normal((12, DIM))
    return oracle.stored(centres[rng.integers(0, 12, rows)] + rng.standard_normal((rows, DIM)))


def question(rows, numbers=(70, 40, 90), seed=1):
    rng = np.random.default_rng(seed)
    reference, pool = clustered(rng, 200), clustered(rng, rows)
    tests = [clustered(rng, number) for number in numbers]
    return pool, [TestVectors(one, oracle.thresholds(one, reference, [1, 2])) for one in tests]


def search(pool, test_sets, block_rows, k=5):
    found = {}
    engine = GpuEngine(2, 4096, block_rows, TorchProducts(16, 2**13))
    receive = lambda place, start, part: found.update({(place, start): part})  # noqa: E731
    return found, engine.search(pool, test_sets, k, receive)


def assert_right(pool, test_sets, found, nearest, k=5):
    for place, (one, neighbours) in enumerate(zip(test_sets, nearest, strict=True)):
        margins = [part.margins for (of, _), part in sorted(found.items()) if of == place]
        expected = oracle.margins(pool, one.vectors, one.thresholds)[2].astype(np.float32)
        np.testing.assert_array_equal(np.concatenate(margins, axis=1), expected)
        similarity, row = oracle.neighbours(one.vectors, pool, k)
        np.testing.assert_array_equal(neighbours.row, row)
        np.testing.assert_array_equal(neighbours.similarity, similarity)


def work_of(blocks, sets=3, rows=200):
    """The work of a search of so many blocks."""
    pool, test_sets = question(rows * blocks, (40,) * sets)
    with pretend_gpu() as gpu:
        search(pool, test_sets, rows)
    return gpu.work


@pytest.mark.parametrize("sets", [1, 3])
def test_the_host_waits_twice_a_block_and_fetches_results_a_block_late(sets):
    few, many = work_of(4, sets), work_of(9, sets)
    more = many.waits - few.waits
    # Counts of groups and of pairs; the results; and, long after it happened, an upload.
    assert more == {"download": 5 * 2, "event": 5 * 2}


def test_what_the_host_asks_for_does_not_grow_with_the_rows_of_a_block():
    few, many = work_of(6, rows=150), work_of(6, rows=300)
    # What grows are the slices of the products, by torch, of 2**13 scores.
    for one in (few, many):
        for name in ("mm.dtype_out", "sub.out", "amax.out", "slice.Tensor"):
            del one.operations[name]
    assert sum(many.operations.values()) < 1.1 * sum(few.operations.values())


def test_uploads_and_results_are_read_when_they_are_there_and_no_earlier():
    pool, test_sets = question(700)
    with pretend_gpu():
        found, nearest = search(pool, test_sets, 100)
    assert_right(pool, test_sets, found, nearest)


def test_few_pairs_are_decided_exactly(monkeypatch):
    """Neither the images that fill up a group nor a test set of one image make many."""
    decided = []

    def counted(products, left, i, right, j):
        decided.append(len(i))
        return similarities(products, left, i, right, j)

    monkeypatch.setattr(gpu_engine, "similarities", counted)
    pool, test_sets = question(600, (1, 35, 90))
    with pretend_gpu():
        search(pool, test_sets, 200, k=1)
    assert sum(decided) < 2 * 600 * 3


@pytest.mark.parametrize("block", [0, 6])
def test_a_failure_of_who_receives_ends_the_search(block):
    """As of a full disk: what receives runs beside the search."""

    def receive(place, start, part):
        if start == 50 * block:
            raise OSError("no space left")

    pool, test_sets = question(350)
    with pretend_gpu(), pytest.raises(OSError, match="no space left"):
        GpuEngine(1, 4096, 50, TorchProducts(16)).search(pool, test_sets, 0, receive)


# Faults that a fast GPU would hide, and a slow one would not: each is found.


def test_products_that_do_not_wait_for_the_upload_are_found(monkeypatch):
    """The products of a block would read what is still being written."""
    default = []
    wait = pretend_cuda.Stream.wait_event

    def forgetful(stream, event):
        if stream.name != "the default stream":
            wait(stream, event)
        else:
            default.append(event)

    monkeypatch.setattr(pretend_cuda.Stream, "wait_event", forgetful)
    pool, test_sets = question(300)
    with pytest.raises(RaceError, match="the default stream reads"), pretend_gpu():
        search(pool, test_sets, 100)
    assert default


def test_an_upload_that_does_not_wait_for_the_products_is_found(monkeypatch):
    """It would write over a block that is still multiplied, if the host did not wait meanwhile."""
    wait = pretend_cuda.Stream.wait_event

    def forgetful(stream, event):
        if stream.name == "the default stream":
            wait(stream, event)

    monkeypatch.setattr(pretend_cuda.Stream, "wait_event", forgetful)
    pool, _ = question(500)
    found = pytest.raises(RaceError, match="a stream of its own writes")
    with found, pretend_gpu() as gpu, ThreadPoolExecutor(1) as readers:
        reader = reading.BlockReader(pool, 100, 2, torch.device("cuda"), readers)
        for number in range(reader.blocks()):
            reader.upload(number)
            with reader.on_device(number) as stored:
                stored.sum()
            gpu.host.clear()  # as if the host had waited for nothing


def test_results_that_are_read_before_they_arrive_are_found(monkeypatch):
    monkeypatch.setattr(pretend_cuda.Event, "synchronize", lambda _: None)
    pool, test_sets = question(300)
    with pytest.raises((AssertionError, InputError)), pretend_gpu():
        found, nearest = search(pool, test_sets, 100)
        assert_right(pool, test_sets, found, nearest)


def test_rows_that_are_read_over_those_being_uploaded_are_found(monkeypatch):
    class Impatient(reading.BlockReader):
        def upload(self, number):
            super().upload(number)
            if number + 1 < self.blocks():
                self._buffers[(number + 1) % len(self._buffers)] = self._buffers[0]

    pool, test_sets = question(700)
    monkeypatch.setattr(gpu_engine, "BlockReader", Impatient)
    with pytest.raises((AssertionError, RaceError)), pretend_gpu():
        found, nearest = search(pool, test_sets, 100)
        assert_right(pool, test_sets, found, nearest)


# What is rare.


@pytest.mark.parametrize(("listed", "decided"), [(1, 100), (50, 64), (2**20, 70)])
def test_lists_and_pairs_may_come_in_parts(listed, decided, monkeypatch):
    """Each decision is the same, whichever parts the pairs of a row of the pool come in."""
    monkeypatch.setattr(shortlist, "LISTED_AT_ONCE", listed)
    monkeypatch.setattr(shortlist, "DECIDED_AT_ONCE", decided)
    pool, test_sets = question(150)
    pool[40:80] = pool[0]  # many rows that are equally near
    test_sets[1].vectors[:20] = test_sets[0].vectors[0]
    with pretend_gpu():
        found, nearest = search(pool, test_sets, 60)
    assert_right(pool, test_sets, found, nearest)


def test_test_sets_may_have_different_ranks():
    pool, test_sets = question(150)
    rng = np.random.default_rng(0)
    test_sets[1] = TestVectors(test_sets[1].vectors, rng.uniform(0, 1, (5, 40)))
    test_sets[2] = TestVectors(test_sets[2].vectors, np.empty((0, 90)))
    with pretend_gpu():
        found, _ = search(pool, test_sets, 60)
    for place, ranks in enumerate((2, 5, 0)):
        margins = np.concatenate([found[place, start].margins for start in (0, 60, 120)], axis=1)
        assert margins.shape == (ranks, 150)
        for margin, limit in zip(margins, test_sets[place].thresholds, strict=True):
            expected = oracle.margins(pool, test_sets[place].vectors, limit[None])[2][0]
            np.testing.assert_array_equal(margin, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("of_pool", "of_tests"), list(itertools.product([np.float16, np.float32], repeat=2))
)
def test_float32_embeddings_give_the_processors_numbers(of_pool, of_tests):
    rng = np.random.default_rng(4)
    pool, tests = (rng.standard_normal((n, DIM)) for n in (130, 45))
    pool, tests = (
        (one / np.linalg.norm(one, axis=1, keepdims=True)).astype(dtype)
        for one, dtype in ((pool, of_pool), (tests, of_tests))
    )
    asked = TestVectors(tests, rng.uniform(0, 1, (2, 45)))
    here = make_engine("fused", "cpu", 1, 4096)
    with pretend_gpu():
        there = GpuEngine(1, 4096, 50, TorchProducts(16))
        margins, nearest = find_margins(there, pool, asked), find_neighbours(there, tests, pool, 7)
    expected = find_margins(here, pool, asked)
    np.testing.assert_array_equal(margins.margins, expected.margins)
    np.testing.assert_array_equal(margins.nearest_test_row, expected.nearest_test_row)
    np.testing.assert_array_equal(
        nearest.similarity, find_neighbours(here, tests, pool, 7).similarity
    )


def test_a_bad_vector_of_a_late_block_is_named_by_its_row_in_the_file(tmp_path):
    pool, test_sets = question(300)
    pool[257] *= np.float16(1.5)
    path = embedding_path(tmp_path, "00003")
    path.parent.mkdir()
    np.save(path, pool)
    said = r"img_emb_00003.npy: row 257 has length 1\.5"
    with pytest.raises(InputError, match=said), pretend_gpu():
        search(open_embeddings(path), test_sets, 50)


# Memory.


def test_a_card_that_is_too_small_says_what_would_do():
    pool, test_sets = question(9000)
    with (
        pretend_gpu(memory=2**30),
        pytest.raises(
            InputError, match=r"compute\.device: a pretend GPU has 1024 of 1024 MiB free"
        ),
    ):
        make = GpuEngine(1, 4096, None, TorchProducts(16))
        make.search(pool, test_sets, 5, None)


@pytest.mark.parametrize("tests", [1000, 50_000, 166_963])
@pytest.mark.parametrize("gibibytes", [8, 16, 24, 40, 80, 141])
@pytest.mark.parametrize("scores", [True, False])
def test_blocks_fit_the_card_or_it_is_said_that_they_do_not(tests, gibibytes, scores):
    sizes = memory.Sizes(
        dim=640,
        tests=tests,
        group=640,
        test_sets=6,
        ranks=4,
        k=20,
        row_group=128,
        test_bytes=2,
        row_bytes=2,
        scores=scores,
    )
    with pretend_gpu(memory=gibibytes * 2**30):
        rows = memory.choose_block_rows(torch.device("cuda"), sizes, 4_000_000, 4096, None)
    needed = memory.fixed_bytes(sizes) + rows * memory.row_bytes(sizes)
    assert memory.LEAST_BLOCK_ROWS <= rows <= memory.BLOCK_ROWS
    assert needed <= gibibytes * 2**30
    if gibibytes >= 40:
        assert rows == memory.BLOCK_ROWS


# Bytes, counted on tensors without data.


class Counted(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the bytes that operations read and write."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        moves = {"mm", "sub", "amax", "copy_"}
        if func._schema.name.partition("::")[2] in moves:
            given = [one for one in (*args, result) if isinstance(one, torch.Tensor)]
            self.bytes += sum(one.nbytes for one in given)
        return result


LARGE = {"rows": 2**17, "tests": 50_000, "dim": 640}
"""A block of a search of a million samples and fifty thousand tests."""


def empty_question(decisions, group):
    number = LARGE["tests"] // group * group
    tests = torch.empty(number, LARGE["dim"], dtype=torch.float16, device="meta")
    block = torch.empty(LARGE["rows"], LARGE["dim"], dtype=torch.float16, device="meta")
    limits = torch.empty(decisions, number, device="meta")
    return tests, block, limits, number * LARGE["rows"]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_kernel_moves_at_most_a_tenth_of_a_byte_a_score(ranks, monkeypatch):
    moved = []

    def run(kernel, programs, arguments, sizes):
        tensors = {id(one): one for one in arguments if torch.is_tensor(one)}
        moved.append(sum(one.nbytes for one in tensors.values()))

    monkeypatch.setattr("gapmatch.similarity.gpu.triton_products.run", run)
    products = TritonProducts()
    group = products.tile * (2 + ranks)
    tests, block, limits, scores = empty_question(1 + ranks, group)
    products.peaks(tests, block, limits, group, products.tile)
    assert len(moved) == 1
    assert moved[0] / scores < 0.1


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_torch_moves_eight_bytes_a_score_and_twelve_a_rank(ranks):
    products = TorchProducts()
    group = products.tile * (2 + ranks)
    tests, block, limits, scores = empty_question(1 + ranks, group)
    with Counted() as counted:
        products.peaks(tests, block, limits, group, 0)
    # Beside the scores: the vectors, once for a tile, and the peaks.
    assert counted.bytes / scores < 8 + 12 * ranks + 0.5
