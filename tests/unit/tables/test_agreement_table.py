"""Agreement of embedders, against a plain recomputation."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.results.summaries import Subset
from gapmatch.running.errors import InputError
from gapmatch.tables.agreement import Folders, agreement_table

CHUNKS = {"00000": 30, "00001": 17}
TEST_SETS = ("sketch", "val")
EMBEDDERS = {"sketch_clip": "clip", "sketch_resnet": "resnet"}
Samples = dict[str, npt.NDArray[Any]]


def summary(name: str, method: str = "gap_match", rank: int = 1) -> Subset:
    return Subset(
        subset=name,
        method=method,
        test_sets=TEST_SETS,
        rank=rank if method == "gap_match" else None,
        offset=0.0 if method == "gap_match" else None,
        seed=None,
        embedder=EMBEDDERS[name],
        **dict.fromkeys(("embedded", "duplicates", "pool", "kept", "pruned"), 0),
        pruned_by={},
        settings={},
    )


def write_kept(folder: Path, subset: str, chunk: str, kept: npt.NDArray[np.bool_]) -> None:
    path = folder / "subsets" / subset / "kept" / f"kept_{chunk}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"row": np.flatnonzero(kept).astype(np.int32)}).write_parquet(path)


def write_files(folder: Path, seed: int, pruned: float = 0.4) -> tuple[Folders, Samples]:
    """Write random margins and subsets; return what is known of every sample of the pool."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[npt.NDArray[Any]]] = {}
    for chunk, rows in CHUNKS.items():
        pool = rng.random(rows) < 0.8
        write_kept(folder, "baseline", chunk, pool)
        for subset, embedder in EMBEDDERS.items():
            columns = ("nearest_similarity", "margin_rank_1")
            # Few values: ties occur.
            values = rng.integers(-3, 4, (len(TEST_SETS), len(columns), rows)).astype(np.float32)
            for test_set, of_set in zip(TEST_SETS, values, strict=True):
                path = folder / "similarity" / embedder / test_set / "margins"
                path.mkdir(parents=True, exist_ok=True)
                table = pl.DataFrame(dict(zip(columns, of_set, strict=True)))
                table.write_parquet(path / f"margins_{chunk}.parquet")
            kept = pool & (rng.random(rows) >= pruned)
            write_kept(folder, subset, chunk, kept)
            found.setdefault(f"{subset} pruned", []).append(~kept[pool])
            for column, number in zip(columns, range(2), strict=True):
                largest = values[:, number].max(axis=0)[pool]
                found.setdefault(f"{subset} {column}", []).append(largest)
    folders = Folders(folder / "similarity", folder / "subsets", "baseline", list(CHUNKS))
    return folders, {name: np.concatenate(parts) for name, parts in found.items()}


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(["gap_match", "near", "far"]))
def test_overlap_and_correlation(
    tmp_path_factory: pytest.TempPathFactory, seed: int, method: str
) -> None:
    folders, samples = write_files(tmp_path_factory.mktemp("agreement"), seed)
    one, other = EMBEDDERS
    subsets = [summary(name, method) for name in EMBEDDERS]
    (row,) = agreement_table([(one, other)], subsets, folders).iter_rows(named=True)
    first = set(np.flatnonzero(samples[f"{one} pruned"]))
    second = set(np.flatnonzero(samples[f"{other} pruned"]))
    assert row["pool"] == len(samples[f"{one} pruned"])
    assert (row["pruned"], row["other_pruned"]) == (len(first), len(second))
    assert row["both"] == len(first & second)
    assert row["jaccard"] == pytest.approx(len(first & second) / len(first | second))
    columns = {"similarity_correlation": "nearest_similarity"}
    if method == "gap_match":
        columns["margin_correlation"] = "margin_rank_1"
    else:
        assert row["margin_correlation"] is None
    for name, column in columns.items():
        values = [samples[f"{subset} {column}"] for subset in EMBEDDERS]
        assert row[name] == pytest.approx(scipy.stats.spearmanr(*values).statistic)


def test_overlap_by_chance_is_that_of_shuffled_choices(tmp_path: Path) -> None:
    folders, samples = write_files(tmp_path, seed=0)
    subsets = [summary(name) for name in EMBEDDERS]
    table = agreement_table([tuple(EMBEDDERS)], subsets, folders)  # type: ignore[list-item]
    rng = np.random.default_rng(0)
    one, other = (samples[f"{name} pruned"] for name in EMBEDDERS)
    overlaps = []
    for _ in range(2000):
        shuffled = rng.permutation(other)
        overlaps.append((one & shuffled).sum() / (one | shuffled).sum())
    assert table["jaccard_by_chance"][0] == pytest.approx(np.mean(overlaps), abs=0.02)


def test_nothing_pruned_has_no_overlap(tmp_path: Path) -> None:
    folders, _ = write_files(tmp_path, seed=0, pruned=0)
    subsets = [summary(name) for name in EMBEDDERS]
    table = agreement_table([tuple(EMBEDDERS)], subsets, folders)  # type: ignore[list-item]
    assert table.select("both", "jaccard", "jaccard_by_chance").row(0) == (0, None, None)


def test_subsets_of_other_definitions_do_not_compare(tmp_path: Path) -> None:
    folders, _ = write_files(tmp_path, seed=0)
    one, other = EMBEDDERS
    with pytest.raises(InputError, match="sketch_clip and sketch_resnet differ in rank: 1 and 5"):
        agreement_table([(one, other)], [summary(one), summary(other, rank=5)], folders)
