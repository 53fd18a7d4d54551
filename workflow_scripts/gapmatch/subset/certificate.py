"""The certificate: that gap matching left nothing above the threshold, from the embeddings alone.

This module shares no code with the search that made the subset, on purpose: it reads the
embedding files, multiplies, and compares.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
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

PROFILE_SCHEMA = {
    "test_set": pl.String,
    "rank": pl.Int32,
    "curve": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}

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


def load(path: Path, rows: npt.NDArray[np.integer[Any]] | slice) -> torch.Tensor:
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
    tests: torch.Tensor,
    chunks: Sequence[tuple[Path, npt.NDArray[np.integer[Any]]]],
    k: int,
    block_rows: int,
    device: str,
) -> Values:
    """Return the k largest similarities of each test image to given rows of given files.

    Args:
        tests: (tests, dim), float32, normalised.
        chunks: Embedding files and the rows that count.
        k: How many.
        block_rows: Rows per product.
        device: "cpu" or "cuda".

    Returns:
        (tests, k), float32, descending; -inf where there are fewer rows than k.
    """
    best = torch.full((len(tests), k), -math.inf, device=device)
    tests = tests.to(device)
    total = sum(len(rows) for _, rows in chunks)
    with tqdm(total=total, unit="sample", unit_scale=True, mininterval=5) as bar:
        for path, rows in chunks:
            for start in range(0, len(rows), block_rows):
                block = load(path, rows[start : start + block_rows]).to(device)
                for first in range(0, len(tests), TESTS_AT_ONCE):
                    part = slice(first, first + TESTS_AT_ONCE)
                    scores = _product(tests[part], block)
                    largest = scores.topk(min(k, scores.shape[1]), dim=1).values
                    best[part] = torch.cat([best[part], largest], dim=1).topk(k, dim=1).values
                bar.update(len(block))
    values: Values = best.cpu().numpy()
    return values


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
    reference: Sequence[tuple[Path, npt.NDArray[np.integer[Any]]]],
    kept: Sequence[tuple[Path, npt.NDArray[np.integer[Any]]]],
    rank: int,
    block_rows: int,
    device: str,
) -> dict[str, Profile]:
    """Measure how similar reference and kept pool are to every image of every test set.

    Args:
        tests: Embedding file of each test set.
        reference: Embedding files of the reference, and their rows.
        kept: Embedding files of the pool, and the rows that the subset keeps.
        rank: Matched rank, that the reference must have.
        block_rows: Rows per product.
        device: "cpu" or "cuda".

    Raises:
        InputError: The reference holds fewer than ``rank`` images, or a file is not readable.
    """
    images = sum(len(rows) for _, rows in reference)
    if images < rank:
        raise InputError(
            f"the reference holds {images} images, too few to match rank {rank}; lower the "
            "subset's rank."
        )
    vectors = {name: load(path, slice(None)) for name, path in tests.items()}
    together = torch.cat(list(vectors.values()))
    longest = max(rank, PROFILE_RANKS)
    in_reference = largest_similarities(together, reference, longest, block_rows, device)
    in_pool = largest_similarities(together, kept, longest, block_rows, device)
    ends = np.cumsum([len(part) for part in vectors.values()])[:-1]
    return {
        name: Profile(of_reference, of_pool)
        for name, of_reference, of_pool in zip(
            vectors, np.split(in_reference, ends), np.split(in_pool, ends), strict=True
        )
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


def nearest_table(measured: Mapping[str, Profile]) -> pl.DataFrame:
    """Return nearest-neighbour similarities of all test images.

    Columns: test_set str, test_row int32, reference_similarity float32 (s_i(R)), pool_similarity
    float32 (s_i of the kept pool; null where nothing is kept).
    """
    schema = {
        "test_set": pl.String,
        "test_row": pl.Int32,
        "reference_similarity": pl.Float32,
        "pool_similarity": pl.Float32,
    }
    parts = [
        pl.DataFrame(
            {
                "test_set": [name] * len(profile.pool),
                "test_row": np.arange(len(profile.pool), dtype=np.int32),
                "reference_similarity": profile.reference[:, 0],
                "pool_similarity": profile.pool[:, 0],
            },
            schema=schema,
        )
        for name, profile in measured.items()
    ]
    table = pl.concat(parts)
    similarity = pl.col("pool_similarity")
    return table.with_columns(pl.when(similarity.is_finite()).then(similarity))


def profile_table(measured: Mapping[str, Profile]) -> pl.DataFrame:
    """Return how similar the nearest ranks of the training set are, on average over test images.

    Columns: test_set str, rank int32 (1 to PROFILE_RANKS), curve str ("pool": the kept samples,
    "reference", "training set": both together), mean, low, high float64 (mean and 5 % and 95 %
    quantile of s^(rank) over the test images; null where a side has fewer samples).
    """
    parts = []
    for name, profile in measured.items():
        together = np.sort(np.concatenate([profile.pool, profile.reference], axis=1), axis=1)
        curves = {
            "pool": profile.pool,
            "reference": profile.reference,
            "training set": together[:, ::-1],
        }
        for curve, values in curves.items():
            ranked = values[:, :PROFILE_RANKS].astype(np.float64)
            missing = ~np.isfinite(ranked)
            shown = np.where(missing.any(axis=0), np.nan, ranked)
            ranks = ranked.shape[1]
            parts.append(
                pl.DataFrame(
                    {
                        "test_set": [name] * ranks,
                        "rank": np.arange(1, ranks + 1, dtype=np.int32),
                        "curve": [curve] * ranks,
                        "mean": shown.mean(axis=0),
                        "low": np.quantile(shown, 0.05, axis=0),
                        "high": np.quantile(shown, 0.95, axis=0),
                    },
                    schema=PROFILE_SCHEMA,
                ).with_columns(pl.col("mean", "low", "high").fill_nan(None))
            )
    return pl.concat(parts)
