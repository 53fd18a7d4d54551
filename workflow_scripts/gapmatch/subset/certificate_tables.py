"""Tables of what a certificate measured: nearest.parquet and profile.parquet."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from gapmatch.subset.certificate import PROFILE_RANKS, Profile

PROFILE_SCHEMA = {
    "test_set": pl.String,
    "rank": pl.Int32,
    "curve": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
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
