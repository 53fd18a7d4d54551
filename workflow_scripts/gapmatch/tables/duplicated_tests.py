"""Test images that have a duplicate in the pool or in the reference."""

import polars as pl

from gapmatch.tables.statistics import bootstrap_interval

SIDES = ("pool", "reference")
FRACTIONS = tuple(f"{side}{end}" for side in SIDES for end in ("", "_low", "_high"))


def count_test_duplicates(nearest: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Count, per test set, the images whose nearest neighbour is more similar than a threshold.

    Args:
        nearest: nearest.parquet of the subset that keeps the whole pool.
        threshold: Cosine similarity.

    Returns:
        test_set, n, threshold, then for pool and reference: the fraction of test images with a
        duplicate there and the bounds of its 95 % bootstrap interval over test images.
    """
    rows = []
    for (test_set,), images in nearest.group_by("test_set", maintain_order=True):
        row: dict[str, object] = {"test_set": test_set, "n": len(images), "threshold": threshold}
        for side in SIDES:
            duplicate = (images[f"{side}_similarity"] > threshold).fill_null(False).to_numpy()
            low, high = bootstrap_interval(duplicate)
            row |= {side: float(duplicate.mean()), f"{side}_low": low, f"{side}_high": high}
        rows.append(row)
    return pl.DataFrame(rows)
