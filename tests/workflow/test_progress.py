"""What people see of a run: how it stands, how fast a job is, why one failed."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from smoke_study import RESULTS, STUDY, check_out, run, snakemake

from gapmatch.running.job_events import last_lines
from gapmatch.running.terminal_line import ERASE

pytestmark = pytest.mark.workflow

BAR = r"\[\d+:\d+<\d+:\d+, +[\d.]+k?(\w+/s|s/\w+)\]"


@pytest.mark.parametrize(
    ("log", "progress"),
    [
        ("render_emoji/pool", BAR),
        ("download_chunk/pool/00000", BAR),
        ("ingest_imagefolder/reference/00000", BAR),
        ("train_embedder/trained", r"[\d.]+/s/gpu .* Time left: \d+:\d+:\d+"),
        ("train_clip/baseline/seed0", r"[\d.]+/s/gpu .* Time left: \d+:\d+:\d+"),
        ("embed_chunk/trained/pool/00000", BAR),
        ("cluster_embeddings/deduplication", r"[\d.]+ s/iteration, at most \d+:\d+:\d+ left"),
        ("assign_clusters/deduplication/00000", BAR),
        ("drop_duplicates/0", BAR),
        ("search_reference/trained/val", BAR),
        ("search_pool/trained/val/00000", BAR),
        ("select_subset/baseline", BAR),
        ("certify_subset/*", BAR),  # one makes the pass for both
        ("evaluate_zero_shot/baseline/seed0/val", BAR),
    ],
)
def test_log_tells_rate_and_time_left(results: Path, log: str, progress: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (results / "logs").glob(f"{log}.log")]
    assert re.search(progress, "\n".join(texts))


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
    return folder, run(folder, target, study=study, status=1)


def test_failed_job_shows_the_end_of_its_log(failed: tuple[Path, str]) -> None:
    folder, said = failed
    log = f"{RESULTS}/logs/download_chunk/pool/00000.log"
    end = last_lines(folder / log)
    assert "less than download.min_success_rate" in end[-1]
    shown = said.partition(f"The end of {log}:\n")[2].splitlines()
    assert [line.removeprefix("    ") for line in shown[: len(end)]] == end


def test_run_tells_how_it_stands(failed: tuple[Path, str]) -> None:
    _, said = failed
    assert re.search(r"2 of 3 steps \(67%\) done\n0 under way, 0 failed, time \d:\d\d:\d\d\n", said)
    assert re.search(r"^0 under way, 1 failed, time \d:\d\d:\d\d$", said, re.MULTILINE)


# Snakemake with shorter intervals between plain lines, which users cannot set.
IN_A_HURRY = """
import sys
import gapmatch.running.run_progress
from snakemake.cli import main
gapmatch.running.run_progress.PLAIN_SECONDS = 0.3
gapmatch.running.run_progress.TICK_SECONDS = 0.2
main()
"""
TARGET = f"{RESULTS}/data/val/00000"
MESSAGES = [
    r"Job \d+: Listing the emoji that exist in all styles",
    r"Job \d+: Rendering the emoji of val",
    r"Job \d+: Packing val chunk 00000 into shards",
    r"Shell command: python .*/ingest\.py imagefolder .* --out results/smoke/data/val/00000 .*",
    r"2 of 3 steps \(67%\) done",
    r"3 of 3 steps \(100%\) done",
    r"0 under way, 0 failed, time \d:\d\d:\d\d",
    r"Elapsed time: .*",
]


def in_a_hurry(*options: str) -> list[str]:
    """Return a command that makes three small jobs run, a few seconds each."""
    command = snakemake(TARGET, "--nocolor", *options)
    return [sys.executable, "-c", IN_A_HURRY, *command[command.index("snakemake") + 1 :]]


def run_in_terminal(command: list[str], folder: Path) -> str:
    """Run a command in a terminal of its own and return all that it wrote there."""
    ours, its = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow_scripts"), "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=its, stderr=its)
    os.close(its)
    written = b""
    try:
        while read := os.read(ours, 1 << 16):
            written += read
    except OSError:  # on Linux, the end
        pass
    assert process.wait() == 0, written.decode()
    os.close(ours)
    return written.decode()


def test_terminal_has_a_line_that_is_rewritten(tmp_path: Path) -> None:
    written = run_in_terminal(in_a_hurry(), check_out(tmp_path))
    drawn = re.findall(r"(?:^|\n|\x1b\[K)(\d[^\r\n]*\| list_emoji: [^\r\n]*)", written)
    assert len(drawn) > 1
    assert max(map(len, drawn)) < 80
    assert re.search(r"\d+%, (2/3 steps, )?.* left \| ingest_imagefolder val/00000: ", written)
    lines = [line.rstrip("\r").rpartition(ERASE)[2] for line in written.split("\n")]
    assert not any(" | list_emoji" in line for line in lines)  # no line was left behind
    for message in MESSAGES:
        assert any(re.fullmatch(message, line) for line in lines), message
    assert lines[-1] == ""
    assert lines[-2].startswith("Elapsed time: ")


def run_into_file(folder: Path) -> list[str]:
    """Run the small jobs with all messages in a file and return its lines."""
    said = folder / "said.txt"
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow_scripts")}
    with said.open("w", encoding="utf-8") as file:
        subprocess.run(
            in_a_hurry(), cwd=folder, env=environment, stderr=file, stdout=file, check=True
        )
    return said.read_text(encoding="utf-8").splitlines()


def test_file_has_plain_lines(tmp_path: Path) -> None:
    lines = run_into_file(check_out(tmp_path))
    assert not any("\x1b" in line or "\r" in line for line in lines)
    heads = [n for n, line in enumerate(lines) if line.startswith("0 of 3 steps, 1 under way, ")]
    assert heads
    assert all(lines[n + 1].startswith("    list_emoji: ") for n in heads)
    for message in MESSAGES:
        assert any(re.fullmatch(message, line) for line in lines), message


def test_quiet_run_tells_no_progress(tmp_path: Path) -> None:
    written = run_in_terminal(in_a_hurry("--quiet", "progress"), check_out(tmp_path))
    assert ERASE not in written
    assert "steps" not in written
