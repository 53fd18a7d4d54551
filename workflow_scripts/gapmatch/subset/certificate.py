"""The certificate: that gap matching left nothing above the threshold, from the embeddings alone.

This module shares no code with the search that made the subset, on purpose: it reads the
embedding files, multiplies, and compares.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from gapmatch.running.errors import InputError

TOLERANCE = 1e-5
"""Excess over the threshold that float32 products may show without a violation."""

PROFILE_RANKS = 50
"""Length of the similarity profile that is written: of the nearest ranks of pool and reference."""

TESTS_AT_ONCE = 4096

BLOCK_ROWS = {"cpu": 2048, "cuda": 2**16}
"""Rows of a dataset per product, by device."""

REFERENCE = "reference"
"""Takes the place of a subset's name where all of the reference counts."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Profile:
    """How similar the training set is to each test image.

    Attributes:
        reference: (tests, K), float32: the K largest similarities to the reference, descending;
            -inf where it has fewer images.
        pool: (tests, K), float32: those to the kept pool samples, likewise.
    """

    reference: Values
    pool: Values


@dataclass(frozen=True)
class Chunk:
    """An embedding file, and which of its vectors count.

    Attributes:
        path: The file.
        rows: Its number of vectors.
        kept: Reads which of them each subset keeps: (rows,), bool.
    """

    path: Path
    rows: int
    kept: Callable[[], Mapping[str, npt.NDArray[np.bool_]]]


def load(path: Path, rows: slice) -> torch.Tensor:
    """Read rows of an embedding file, normalised, as a float32 tensor on the CPU."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        vectors = np.asarray(stored[rows], dtype=np.float64)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not a readable embedding file ({error}).") from error
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError(f"{path}: holds a vector that is zero or not finite.")
    return torch.from_numpy((vectors / lengths).astype(np.float32))


def largest_similarities(
    tests: Mapping[str, torch.Tensor],
    subsets: Mapping[str, Collection[str]],
    chunks: Sequence[Chunk],
    k: int,
    block_rows: int,
    device: str,
) -> dict[str, dict[str, Values]]:
    """Return the k largest similarities of test images to what each subset keeps.

    All subsets share one pass over the files. Products are of whole blocks of a file and of one
    test set, whatever is kept of them, so that no subset's result depends on who shares the pass.

    Args:
        tests: Vectors of each test set: (tests, dim), float32, normalised.
        subsets: The test sets that each subset is measured against.
        chunks: Embedding files, and what the subsets keep of each.
        k: How many.
        block_rows: Rows per product.
        device: "cpu" or "cuda".

    Returns:
        By subset and test set: (tests, k), float32, descending; -inf where there are fewer rows
        than k.
    """
    best = {
        subset: {
            name: torch.full((len(tests[name]), k), -math.inf, device=device) for name in names
        }
        for subset, names in subsets.items()
    }
    on_device = {name: vectors.to(device) for name, vectors in tests.items()}
    total = sum(chunk.rows for chunk in chunks)
    with tqdm(total=total, unit="sample", unit_scale=True, mininterval=5) as bar:
        for chunk in chunks:
            kept = chunk.kept()
            for start in range(0, chunk.rows, block_rows):
                rows = slice(start, min(start + block_rows, chunk.rows))
                masks = {name: torch.from_numpy(mask[rows]) for name, mask in kept.items()}
                masks = {name: mask.to(device) for name, mask in masks.items() if mask.any()}
                if masks:
                    block = load(chunk.path, rows).to(device)
                    _add_block(best, on_device, block, masks)
                bar.update(rows.stop - rows.start)
    return {
        subset: {name: values.cpu().numpy() for name, values in by_test_set.items()}
        for subset, by_test_set in best.items()
    }


def _add_block(
    best: Mapping[str, Mapping[str, torch.Tensor]],
    tests: Mapping[str, torch.Tensor],
    block: torch.Tensor,
    masks: Mapping[str, torch.Tensor],
) -> None:
    """Merge similarities to a block of vectors into the largest of each subset and test set."""
    for name, vectors in tests.items():
        subsets = [subset for subset in masks if name in best[subset]]
        for first in range(0, len(vectors) if subsets else 0, TESTS_AT_ONCE):
            part = slice(first, first + TESTS_AT_ONCE)
            scores = _product(vectors[part], block)
            highest = scores.amax(dim=1)
            for subset in subsets:
                _merge(best[subset][name][part], scores, highest, masks[subset])


def _merge(
    best: torch.Tensor, scores: torch.Tensor, highest: torch.Tensor, mask: torch.Tensor
) -> None:
    """Merge a block's scores, where it keeps a row, into the largest of each test image."""
    # After some blocks, hardly any test image has a row nearer than its k-th nearest so far.
    changing = torch.nonzero(highest > best[:, -1]).squeeze(1)
    if len(changing):
        k = best.shape[1]
        found = scores[changing].masked_fill_(~mask, -math.inf)
        largest = found.topk(min(k, found.shape[1]), dim=1).values
        best[changing] = torch.cat([best[changing], largest], dim=1).topk(k, dim=1).values


def _product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Multiply all pairs of rows in float32, whatever torch was told about TF32.

    Its products are off by some 6e-5, more than ``TOLERANCE``, and containers may turn it on.
    """
    settings = torch.backends.cuda.matmul
    before = settings.allow_tf32
    settings.allow_tf32 = False
    try:
        return torch.matmul(left, right.T)
    finally:
        settings.allow_tf32 = before


def profiles(
    tests: Mapping[str, Path],
    subsets: Mapping[str, Collection[str]],
    reference: Sequence[Chunk],
    pool: Sequence[Chunk],
    ranks: int,
    block_rows: int,
    device: str,
) -> dict[str, dict[str, Profile]]:
    """Measure how similar reference and kept pool are to the test images, for each subset.

    Args:
        tests: Embedding file of each test set.
        subsets: The test sets that each subset is measured against.
        reference: Embedding files of the reference, of which ``REFERENCE`` names all rows.
        pool: Embedding files of the pool, and what the subsets keep of each.
        ranks: Length of the profiles; they have at least ``PROFILE_RANKS``.
        block_rows: Rows per product.
        device: "cpu" or "cuda".

    Returns:
        By subset and test set.

    Raises:
        InputError: A file is not readable.
    """
    vectors = {name: load(path, slice(None)) for name, path in tests.items()}
    longest = max(ranks, PROFILE_RANKS)
    every = {REFERENCE: list(tests)}
    in_reference = largest_similarities(vectors, every, reference, longest, block_rows, device)
    in_pool = largest_similarities(vectors, subsets, pool, longest, block_rows, device)
    return {
        subset: {
            name: Profile(in_reference[REFERENCE][name], in_pool[subset][name]) for name in names
        }
        for subset, names in subsets.items()
    }


def certify(measured: Mapping[str, Profile], rank: int, offset: float) -> dict[str, Any]:
    """Count the test images that a kept pool sample is nearer to than the threshold allows.

    A violation is max over the kept pool of s(t_i, p) > s_i^(K)(R) + offset + ``TOLERANCE``.

    Args:
        measured: Profiles of the test sets that the subset was matched to.
        rank: Matched rank K, at most the length of the reference's profiles.
        offset: As in the subset.

    Returns:
        Keys test_images, violations, max_excess (null where nothing is kept), and test_sets with
        the same three for each.
    """
    by_test_set = {}
    for name, profile in measured.items():
        threshold = profile.reference[:, rank - 1].astype(np.float64) + offset
        excess = profile.pool[:, 0] - threshold
        largest = float(excess.max(initial=-np.inf))
        by_test_set[name] = {
            "test_images": len(excess),
            "violations": int((excess > TOLERANCE).sum()),
            "max_excess": largest if math.isfinite(largest) else None,
        }
    finite = [
        entry["max_excess"] for entry in by_test_set.values() if entry["max_excess"] is not None
    ]
    return {
        "test_images": sum(entry["test_images"] or 0 for entry in by_test_set.values()),
        "violations": sum(entry["violations"] or 0 for entry in by_test_set.values()),
        "max_excess": max(finite, default=None),
        "test_sets": by_test_set,
    }


def nothing_to_certify(measured: Mapping[str, Profile]) -> dict[str, Any]:
    """Return the entries of ``certify`` for a subset that promises no threshold."""
    by_test_set = {
        name: {"test_images": len(profile.pool), "violations": None, "max_excess": None}
        for name, profile in measured.items()
    }
    images = sum(len(profile.pool) for profile in measured.values())
    return {
        "test_images": images,
        "violations": None,
        "max_excess": None,
        "test_sets": by_test_set,
    }
