"""What people see of a run: how it stands, how fast a job is, why one failed."""

import re
import subprocess
from pathlib import Path

import pytest
from smoke_study import RESULTS, STUDY, check_out, snakemake

from gapmatch.job_events import last_lines

pytestmark = pytest.mark.workflow

BAR = r"\[\d+:\d+<\d+:\d+, +[\d.]+k?(\w+/s|s/\w+)\]"


@pytest.mark.parametrize(
    ("log", "progress"),
    [
        ("render_emoji/pool", BAR),
        ("download/pool/00000", BAR),
        ("ingest_imagefolder/reference/00000", BAR),
        ("train_embedder/trained", r"[\d.]+/s/gpu .* Time left: \d+:\d+:\d+"),
        ("train/baseline/seed0", r"[\d.]+/s/gpu .* Time left: \d+:\d+:\d+"),
        ("embed/trained/pool/00000", BAR),
        ("cluster", r"[\d.]+ s/iteration, at most \d+:\d+:\d+ left"),
        ("assign_clusters/00000", BAR),
        ("drop_duplicates/0", BAR),
        ("search_reference/trained/val", BAR),
        ("search_pool/trained/val/00000", BAR),
        ("select/baseline", BAR),
        ("certify/sketch_pruned", BAR),
        ("evaluate/baseline/seed0/val", BAR),
    ],
)
def test_log_tells_rate_and_time_left(results: Path, log: str, progress: str) -> None:
    text = (results / "logs" / f"{log}.log").read_text(encoding="utf-8")
    assert re.search(progress, text)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkout where every download failed, and what Snakemake said."""
    folder = check_out(tmp_path_factory.mktemp("failed"))
    study = folder / "impossible.yaml"
    text = (folder / STUDY).read_text(encoding="utf-8")
    study.write_text(
        text.replace("min_success_rate: 0.8", "min_success_rate: 1.0"), encoding="utf-8"
    )
    target = f"{RESULTS}/data/pool/00000"
    done = subprocess.run(
        snakemake(target, study=study), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode
    return folder, done.stdout + done.stderr


def test_failed_job_shows_the_end_of_its_log(failed: tuple[Path, str]) -> None:
    folder, said = failed
    log = f"{RESULTS}/logs/download/pool/00000.log"
    end = last_lines(folder / log)
    assert "less than download.min_success_rate" in end[-1]
    shown = said.partition(f"The end of {log}:\n")[2].splitlines()
    assert [line.removeprefix("    ") for line in shown[: len(end)]] == end


def test_run_tells_how_it_stands(failed: tuple[Path, str]) -> None:
    _, said = failed
    assert re.search(r"1 of 2 steps \(50%\) done\n0 under way, 0 failed, time \d:\d\d:\d\d\n", said)
    assert re.search(r"^0 under way, 1 failed, time \d:\d\d:\d\d$", said, re.MULTILINE)
