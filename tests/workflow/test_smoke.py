"""The smoke study from end to end: counts, certificates, tables and the report."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from smoke_study import NOTHING, RESULTS, SUBSETS, TEST_SETS, read_json, run

from gapmatch.subset.certificate import TOLERANCE
from gapmatch.tables.accuracy import COLUMNS

pytestmark = pytest.mark.workflow


def chunk_ids(results: Path, dataset: str) -> list[str]:
    return sorted(path.name for path in (results / "data" / dataset).iterdir())


def embedded(results: Path, dataset: str) -> int:
    """Return the number of embedded samples of a dataset, the same in both of its files."""
    folder = results / "embeddings" / "trained" / dataset
    rows = 0
    for chunk in chunk_ids(results, dataset):
        vectors = np.load(folder / "img_emb" / f"img_emb_{chunk}.npy", allow_pickle=False)
        metadata = pl.read_parquet(folder / "metadata" / f"metadata_{chunk}.parquet")
        assert len(vectors) == len(metadata)
        rows += len(vectors)
    return rows


def test_links_are_downloaded_or_failed(results: Path) -> None:
    failed = 0
    for chunk in chunk_ids(results, "pool"):
        folder = results / "data" / "pool" / chunk
        manifest = read_json(folder / "chunk.json")
        links = pl.read_parquet(results / "emoji" / "pool" / f"urls_{chunk}.parquet")
        assert manifest["urls"] == len(links)
        assert manifest["urls"] == manifest["samples"] + manifest["failed"]
        assert manifest["samples"] == sum(shard["samples"] for shard in manifest["shards"])
        reasons = pl.read_parquet(folder / "failed.parquet")
        assert len(reasons) == manifest["failed"]
        assert set(reasons["url"]) <= set(links["url"])
        failed += manifest["failed"]
    assert failed > 0, "the crawl holds faults"


@pytest.mark.parametrize("dataset", ["pool", "reference", *TEST_SETS])
def test_samples_are_embedded_or_rejected(results: Path, dataset: str) -> None:
    folder = results / "embeddings" / "trained" / dataset / "rejected"
    manifests = [
        read_json(results / "data" / dataset / chunk / "chunk.json")
        for chunk in chunk_ids(results, dataset)
    ]
    rejected = sum(len(pl.read_parquet(path)) for path in folder.iterdir())
    samples = sum(manifest["samples"] for manifest in manifests)
    assert samples == embedded(results, dataset) + rejected
    assert samples > 0


def test_duplicates_are_counted(results: Path) -> None:
    summary = read_json(results / "deduplication" / "summary.json")
    marks = pl.read_parquet(results / "deduplication" / "duplicates" / "*.parquet")
    assert summary["pool"] == len(marks) == embedded(results, "pool")
    assert summary["kept"] == marks["kept"].sum()
    assert summary["dropped"] == (~marks["kept"]).sum()
    assert 0 < summary["dropped"] < summary["pool"] / 2, "the study is too small to mean anything"


@pytest.mark.parametrize("subset", SUBSETS)
def test_pool_is_kept_or_pruned(results: Path, subset: str) -> None:
    folder = results / "subsets" / subset
    summary = read_json(folder / "summary.json")
    assert summary["embedded"] == embedded(results, "pool")
    duplicates = read_json(results / "deduplication" / "summary.json")["dropped"]
    assert summary["duplicates"] == duplicates
    assert summary["pool"] == summary["embedded"] - duplicates
    assert summary["pool"] == summary["kept"] + summary["pruned"]
    assert summary["pruned"] == sum(summary["pruned_by"].values())
    kept = 0
    for chunk in chunk_ids(results, "pool"):
        rows = pl.read_parquet(folder / "kept" / f"kept_{chunk}.parquet")
        marks = pl.read_parquet(
            results / "deduplication" / "duplicates" / f"duplicates_{chunk}.parquet"
        )
        assert marks["kept"].gather(rows["row"]).all()
        kept += len(rows)
    assert kept == summary["kept"]


def test_subsets_are_what_they_are_called(results: Path) -> None:
    kept, pool = {}, 0
    for subset in SUBSETS:
        summary = read_json(results / "subsets" / subset / "summary.json")
        kept[subset], pool = summary["kept"], summary["pool"]
    assert kept["baseline"] == pool
    assert kept["reference_only"] == 0
    assert 0 < kept["sketch_pruned"] < pool
    assert kept["near_sketch"] == kept["sketch_pruned"]


def test_training_used_each_subset_and_the_reference(results: Path) -> None:
    for subset in SUBSETS:
        training = read_json(results / "models" / subset / "seed0" / "training.json")
        summary = read_json(results / "subsets" / subset / "summary.json")
        assert training["pool_samples"] == summary["kept"]
        assert training["reference_samples"] == embedded(results, "reference")
        assert training["samples"] == training["pool_samples"] + training["reference_samples"]
        assert training["skipped"] == 0


def test_certificate_holds(results: Path) -> None:
    certificate = read_json(results / "subsets" / "sketch_pruned" / "certificate.json")
    assert certificate["violations"] == 0
    assert certificate["test_images"] == embedded(results, "sketch")
    nearest = pl.read_parquet(results / "subsets" / "sketch_pruned" / "nearest.parquet")
    assert len(nearest) == certificate["test_images"]
    assert (nearest["pool_similarity"] <= nearest["reference_similarity"] + TOLERANCE).all()
    before = pl.read_parquet(results / "subsets" / "baseline" / "nearest.parquet")
    before = before.filter(pl.col("test_set") == "sketch")
    assert (before["pool_similarity"] > before["reference_similarity"] + TOLERANCE).any()


def test_report_needs_no_network(results: Path) -> None:
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "sketch_pruned" in page
    assert "data:image/png;base64," in page
    assert not re.findall(r"""(?:src|srcset|data)\s*=\s*["']?(?:https?:)?//[^"' >]*""", page)
    assert not re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", page)
    assert not re.findall(r"<(?:link|script)\b[^>]*https?:", page)


def test_accuracy_table(results: Path) -> None:
    table = pl.read_csv(results / "tables" / "accuracy.csv")
    assert table.columns == list(COLUMNS)
    expected = {(subset, 0, test_set) for subset in SUBSETS for test_set in TEST_SETS}
    assert set(table.select("training_set", "seed", "test_set").iter_rows()) == expected
    for row in table.iter_rows(named=True):
        assert row["n"] == embedded(results, row["test_set"])
        assert row["metric"] == "top1"
        assert row["score"] == row["top1"]
        for name in ("top1", "top5", "mean_per_class"):
            assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1


def test_nothing_of_unfinished_work_is_left(results: Path) -> None:
    assert not [path for path in (results / "state").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def copied(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: Snakemake locks where it works, and other tests copy the checkout."""
    return shutil.copytree(checkout, tmp_path_factory.mktemp("smoke") / "copy", symlinks=True)


def test_second_run_does_nothing(copied: Path) -> None:
    assert NOTHING in run(copied)


def test_a_plan_beside_a_run_is_no_error(copied: Path) -> None:
    lock = copied / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{RESULTS}/report.html\n", encoding="utf-8")  # as a running one has it
    said = run(copied, "--dry-run", "--forcerun", "write_report")
    lock.unlink()
    assert "Another Snakemake is running here: this is what is left to do now." in said
    assert "cannot be locked" not in said


def test_inspect_looks_at_the_data_each_time(copied: Path) -> None:
    said = run(copied, "inspect_data")
    assert "no errors, no warnings" in said
    assert "links: 170 in 2 files" in said
    (broken, *_) = sorted((copied / RESULTS / "emoji" / "val").glob("*/*.jpg"))
    broken.write_bytes(b"<html>")
    said = run(copied, "inspect_data")
    assert "1 of 12 samples cannot be used" in said
    assert broken.name in said
    for image in broken.parent.glob("*.jpg"):
        image.unlink()
    said = run(copied, "inspect_data", status=1)
    assert "error: val: results/smoke/emoji/val: the folders" in said
    assert "1 error" in (copied / RESULTS / "inspection.html").read_text(encoding="utf-8")


def test_snakemake_report_needs_no_network(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    page = copied / "snakemake_report.html"
    run(copied, "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "similarity_gap.png" in text
    assert "accuracy.csv" in text
