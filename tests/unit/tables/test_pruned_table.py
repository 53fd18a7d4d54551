"""Counts of what was pruned, against a plain count."""

from pathlib import Path

import polars as pl
from made_results import TEST_CLASSES

from gapmatch.results import table_files as tables
from gapmatch.tables.pruned import SCHEMA as PRUNED
from gapmatch.tables.pruned import count_pruned


def test_pruned_counts_match_a_plain_count(results: Path, tmp_path: Path) -> None:
    metadata = sorted(results.glob("embeddings/e/pool/metadata/*.parquet"))
    kept = {name: results / f"subsets/{name}/kept" for name in ("baseline", "sketch_pruned")}
    table = count_pruned(metadata, kept, "baseline", TEST_CLASSES)
    counted: dict[tuple[str, bool], list[int]] = {}
    for path in metadata:
        chunk = path.stem[-5:]
        pool = set(pl.read_parquet(kept["baseline"] / f"kept_{chunk}.parquet")["row"])
        left = set(pl.read_parquet(kept["sketch_pruned"] / f"kept_{chunk}.parquet")["row"])
        for row, sample in enumerate(pl.read_parquet(path).iter_rows(named=True)):
            if row in pool:
                key = (sample["style"], sample["class_name"] in TEST_CLASSES)
                count = counted.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += row not in left
    pruned = table.filter(pl.col("subset") == "sketch_pruned")
    found = {(r["style"], r["test_class"]): [r["pool"], r["pruned"]] for r in pruned.to_dicts()}
    assert found == counted
    assert table.filter(pl.col("subset") == "baseline")["pruned"].sum() == 0
    tables.write_table(table, tmp_path / "pruned", "c", ["fraction"])
    assert tables.read_csv(tmp_path / "pruned.csv", PRUNED).equals(table)
