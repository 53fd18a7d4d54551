"""How diverse the kept samples of a subset are: measures, each from one pass in bounded memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from gapmatch.data.embedding_files import Float64, Stored
from gapmatch.similarity.normalising import normalised
from gapmatch.subset.concepts import words

BLOCK = 4096
"""Vectors in memory at a time."""


class Moments:
    """Sums over vectors, from which their similarities follow without comparing any two."""

    def __init__(self, dim: int) -> None:
        """Start with no vectors.

        Args:
            dim: Their dimension.
        """
        self.number = 0
        self._sum = torch.zeros(dim, dtype=torch.float64)
        self._products = torch.zeros(dim, dim, dtype=torch.float64)

    def add(self, vectors: torch.Tensor) -> None:
        """Add vectors of length 1, (rows, dim) float32."""
        exact = vectors.double()
        self.number += len(exact)
        self._sum += exact.sum(dim=0)
        self._products.addmm_(exact.T, exact)

    def vendi_score(self) -> float:
        """Return the Vendi score with the cosine similarity: the effective number of samples.

        exp(-sum l log l) over the eigenvalues l of K / n, with K_ij = s(x_i, x_j); those that are
        not zero are the eigenvalues of X^T X / n, which is (dim, dim) (Friedman & Dieng 2023). It
        is at most dim.
        """
        values = np.linalg.eigvalsh((self._products / self.number).numpy())
        values = values[values > 0]
        return float(np.exp(-(values * np.log(values)).sum()))

    def mean_similarity(self) -> float | None:
        """Return the mean of s(x_i, x_j) over all pairs i < j; None of a single vector.

        (|sum x|^2 - n) / (n (n - 1)), as the vectors have length 1.
        """
        n = self.number
        return (float(self._sum @ self._sum) - n) / (n * (n - 1)) if n > 1 else None


def effective_number(counts: npt.NDArray[np.int64]) -> float:
    """Return exp of the entropy of shares: equally large groups of the same entropy."""
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


class NearestWithin:
    """The similarity of some samples to the nearest of all others."""

    def __init__(self, chosen: npt.NDArray[np.int64], vectors: torch.Tensor) -> None:
        """Start with none of the others.

        Args:
            chosen: (some,): positions of the samples among all, ascending.
            vectors: (some, dim) float32 of length 1.
        """
        self._chosen, self._vectors = chosen, vectors
        self.similarity = torch.full((len(chosen),), -torch.inf)

    def add(self, first: int, vectors: torch.Tensor) -> None:
        """Compare with the next samples.

        Args:
            first: Position of the first of them.
            vectors: (rows, dim) float32 of length 1.
        """
        scores = self._vectors @ vectors.T
        inside = np.flatnonzero((self._chosen >= first) & (self._chosen < first + len(vectors)))
        scores[inside, self._chosen[inside] - first] = -torch.inf  # itself
        self.similarity = torch.maximum(self.similarity, scores.amax(dim=1))


class Vocabulary:
    """The words of captions and how often each stands there, by 64-bit hashes."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"word": pl.UInt64, "count": pl.UInt64})

    def add(self, captions: pl.Series) -> None:
        """Count the words of captions, whatever their case; null has none."""
        found = words(captions.drop_nulls()).str.split(" ").explode()
        hashes = found.filter(found != "").hash(seed=0).alias("word")
        counts = hashes.value_counts().cast(self._counts.schema)
        both = pl.concat([self._counts, counts])
        self._counts = both.group_by("word").agg(pl.col("count").sum())

    @property
    def distinct(self) -> int:
        """Number of distinct words."""
        return len(self._counts)

    def entropy(self) -> float:
        """Return the entropy of the words' shares, in bits; 0 where there is no word."""
        # Sorted, as group_by orders them anew in each run: the last digit would differ.
        counts = np.sort(self._counts["count"].to_numpy()).astype(np.float64)
        shares = counts / max(counts.sum(), 1)
        return float(0 - (shares * np.log2(shares)).sum())


def blocks(stored: Stored, rows: npt.NDArray[np.integer]) -> Iterator[torch.Tensor]:
    """Yield rows of embeddings, float32 of length 1, at most ``BLOCK`` at a time."""
    for start in range(0, len(rows), BLOCK):
        yield normalised(stored[rows[start : start + BLOCK]])


def similarity_interval(similarity: Float64) -> tuple[float, float, float]:
    """Return the mean over samples, and its 95 % interval by the normal approximation."""
    mean = float(similarity.mean())
    error = 1.96 * float(similarity.std(ddof=1)) / np.sqrt(len(similarity))
    return mean, mean - error, mean + error
