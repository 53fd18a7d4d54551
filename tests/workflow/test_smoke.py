"""The smoke study from end to end: counts, certificates, what runs again, and kills on the way."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from programs import ROOT, kill_when

from gapmatch.certificate import TOLERANCE

pytestmark = pytest.mark.workflow

STUDY = "studies/smoke.yaml"
RESULTS = "results/smoke"
TEST_SETS = ("val", "sketch")
SUBSETS = ("baseline", "reference_only", "sketch_pruned", "near_sketch")
REPORTING = re.compile(r"tabulate_|plot_|write_report$|all$")
NOTHING = "Nothing to be done"


def check_out(folder: Path) -> Path:
    """Copy what git tracks into a folder."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def snakemake(*arguments: object, study: Path | str = STUDY) -> list[str]:
    """Return the command line of Snakemake for a study."""
    return [sys.executable, "-m", "snakemake", *map(str, arguments), "--configfile", str(study)]


def run(folder: Path, *arguments: object, study: Path | str = STUDY) -> str:
    """Run Snakemake in a checkout; it must succeed."""
    done = subprocess.run(
        snakemake(*arguments, study=study), cwd=folder, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    return said


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the study ran to its end."""
    folder = check_out(tmp_path_factory.mktemp("checkout"))
    run(folder)
    return folder


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    return checkout / RESULTS


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


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
    columns = "training_set seed test_set n top1 top1_low top1_high top5 mean_per_class"
    assert table.columns == columns.split()
    expected = {(subset, 0, test_set) for subset in SUBSETS for test_set in TEST_SETS}
    assert set(table.select("training_set", "seed", "test_set").iter_rows()) == expected
    for row in table.iter_rows(named=True):
        assert row["n"] == embedded(results, row["test_set"])
        assert 0 <= row["top1_low"] <= row["top1"] <= row["top1_high"] <= 1


def test_nothing_of_unfinished_work_is_left(results: Path) -> None:
    assert not [path for path in (results / "state").rglob("*") if path.is_file()]


def test_second_run_does_nothing(checkout: Path) -> None:
    assert NOTHING in run(checkout)


def planned(checkout: Path, changes: dict[str, Any], folder: Path) -> tuple[Counter[str], str]:
    """Return the jobs per rule that a changed study would run, and what Snakemake says."""
    values = yaml.safe_load((checkout / STUDY).read_text(encoding="utf-8"))
    for key, value in changes.items():
        section = values
        *path, last = key.split(".")
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    study = folder / "changed.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    said = run(checkout, "--dry-run", study=study)
    table = said.partition("Job stats:")[2].partition("\n\n")[0]
    plan = Counter({rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)})
    del plan["total"]
    return plan, said


@pytest.mark.parametrize(
    ("definition", "jobs"),
    [
        (
            {"method": "gap_match", "test_sets": "all", "rank": 3},
            {"select": 1, "certify": 1, "train": 1, "evaluate": 2},
        ),
        (
            {"method": "gap_match", "test_sets": ["sketch"], "rank": 3},
            {"select": 1, "certify": 1, "train": 1, "evaluate": 2},
        ),
        ({"method": "random", "keep": 0.5}, {"select": 1, "train": 1, "evaluate": 2}),
    ],
)
def test_added_subset_runs_alone(
    checkout: Path, definition: dict[str, Any], jobs: dict[str, int], tmp_path: Path
) -> None:
    plan, said = planned(checkout, {"subsets.added": definition}, tmp_path)
    assert {rule: n for rule, n in plan.items() if not REPORTING.match(rule)} == jobs
    assert plan["tabulate_accuracy"] == plan["write_report"] == 1
    named = re.findall(r"--(?:subset|training-set) (\w+)", said)
    assert set(named) == {"added"}


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"subsets.near_sketch.keep": 0.5}, {"select": 1, "train": 1, "evaluate": 2}),
        ({"training.seeds": [0, 1]}, {"train": 4, "evaluate": 8}),
        ({"training.lr": 0.002}, {"train": 4, "evaluate": 8}),
        ({"evaluation.templates": ["{}"]}, {"evaluate": 8}),
        ({"figures.examples": 3}, {}),
        ({"figures.neighbours": 4}, {}),
        (
            {"search.ranks": [1, 3, 5]},
            {
                "search_pool": 4,
                "merge_neighbours": 2,
                "select": 2,
                "certify": 1,
                "train": 2,
                "evaluate": 4,
            },
        ),
        (
            {"test_sets.v2": {"source": {"kind": "emoji", "part": "v2"}}},
            {
                "render_emoji": 1,
                "ingest_imagefolder": 1,
                "embed": 1,
                "search_reference": 1,
                "search_pool": 2,
                "merge_neighbours": 1,
                "certify": 1,  # of the baseline, which is measured against all test sets
                "evaluate": 4,
            },
        ),
    ],
)
def test_change_runs_what_depends_on_it(
    checkout: Path, changes: dict[str, Any], jobs: dict[str, int], tmp_path: Path
) -> None:
    plan, _ = planned(checkout, changes, tmp_path)
    assert {rule: n for rule, n in plan.items() if not REPORTING.match(rule)} == jobs
    assert plan["write_report"] == 1


def test_settings_of_speed_run_nothing(checkout: Path, tmp_path: Path) -> None:
    speed = {
        "device": "cpu",
        "engine": "fused",
        "embedding_batch_size": 7,
        "embedding_workers": 0,
        "search_block_rows": 99,
        "search_memory_mb": 3000,
        "download_processes": 2,
        "download_threads": 3,
        "training_workers": 2,
    }
    _, said = planned(checkout, {"compute": speed}, tmp_path)
    assert NOTHING in said


def test_snakemake_report_needs_no_network(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    page = checkout / "snakemake_report.html"
    run(checkout, "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "similarity_gap.png" in text
    assert "accuracy.csv" in text


def test_killed_runs_end_with_the_same_subsets_and_models(
    results: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = check_out(tmp_path_factory.mktemp("killed"))
    state = folder / RESULTS / "state"
    for stage in (
        "train_embedder/trained/run/checkpoints/epoch_latest.pt",
        "embed/trained/pool/*/*.rejected.parquet",
        "train/*/seed0/run/checkpoints/epoch_latest.pt",
    ):
        kill_when(lambda stage=stage: any(state.glob(stage)), snakemake(), folder)
        run(folder, "--unlock")
    run(folder)
    for pattern, number in (("subsets/*/kept/*.parquet", 8), ("subsets/*/summary.json", 4)):
        paths = sorted(results.glob(pattern))
        assert len(paths) == number
        for path in paths:
            other = folder / RESULTS / path.relative_to(results)
            assert other.read_bytes() == path.read_bytes(), path
    # Equal weights give equal predictions, and these the same table.
    table = "tables/accuracy.csv"
    assert (folder / RESULTS / table).read_bytes() == (results / table).read_bytes()
