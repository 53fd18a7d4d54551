"""What a change of the config runs again, on the completed smoke study."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from smoke_study import NOTHING, STUDY, run

pytestmark = pytest.mark.workflow

REPORTING = re.compile(r"tabulate_|plot_|write_report$|all$")


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
