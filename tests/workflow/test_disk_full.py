"""A full disk in every stage: one clear message, nothing half written, and the job goes on later.

The results of the smoke study are copied to a file system in memory, and the outputs of one job are
deleted. The device is then made so small that the job cannot write them, and large again.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fork_server import fork_python
from smoke_study import RESULTS, check_out, run, snakemake

from gapmatch.running.job_events import show_end

pytestmark = pytest.mark.workflow

ROOMY = 1 << 30
PAGE = os.sysconf("SC_PAGE_SIZE")
MESSAGE = re.compile(
    r"error: no space is left on the device, or a quota is used up: (\S+) could not "
    r"be written. Free some space there and run the same command again; what is finished is kept"
)
DOWNLOAD = "download_chunk/pool/00000"
CHUNK = "data/pool/00000"
TRAINING = "train_clip/reference_only/seed0"
MODEL = "models/reference_only/seed0"
JOBS = {
    "render_emoji/pool": ["emoji/pool"],
    "ingest_imagefolder/reference/00000": ["data/reference/00000"],
    "embed_chunk/trained/pool/00000": ["embeddings/trained/pool/*/*_00000.*"],
    "cluster_embeddings/deduplication": ["deduplication/centroids.npy"],
    "assign_clusters/deduplication/00000": ["deduplication/clusters/clusters_00000.parquet"],
    "drop_duplicates/0": ["deduplication/dropped/dropped_0.parquet"],
    "collect_duplicates": ["deduplication/duplicates/*", "deduplication/summary.json"],
    "search_reference/trained/val": ["similarity/trained/val/reference_neighbours.parquet"],
    "search_pool/trained/val/00000": ["similarity/trained/val/*/*_00000.parquet"],
    "merge_neighbours/trained/val": ["similarity/trained/val/pool_neighbours.parquet"],
    "select_subset/sketch_pruned": [
        "subsets/sketch_pruned/kept/*",
        "subsets/sketch_pruned/summary.json",
    ],
    "certify_subset/sketch_pruned": ["subsets/sketch_pruned/[cn]e*"],
    "evaluate_zero_shot/baseline/seed0/val": ["evaluations/baseline/seed0/val.*"],
    "table_subsets": ["tables/subsets.*"],
    "figure_pruned": ["figures/pruned.*"],
    "write_report": ["report.html"],
    "choose_trials": ["human_check/trials.parquet"],
    "write_human_check": ["human_check.html"],
}
"""Each job by its log, and its outputs."""
SAYS_TIMES = ("_stats.json", "metrics.csv")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system in memory, mounted at the results of an otherwise empty folder."""
    results = tmp_path_factory.mktemp("full") / "results"
    results.mkdir()
    if sys.platform != "linux" or os.geteuid() or not shutil.which("mount"):
        pytest.skip("a tmpfs cannot be mounted: that needs root on Linux, and mount")
    options = ["-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs"]
    done = subprocess.run(
        ["mount", *options, str(results)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
    try:
        yield results
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=True)


@pytest.fixture(scope="module")
def full(device: Path, checkout: Path) -> Path:
    """A checkout with the completed study, its results on the device."""
    folder = check_out(device.parent)
    for name in ("results", ".snakemake"):
        shutil.copytree(checkout / name, folder / name, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def commands(full: Path) -> dict[str, str]:
    """The command of each job, by its log."""
    said = run(full, "-n", "-p", "--forceall")
    return {
        match[2]: match[1]
        for match in re.finditer(
            rf"Shell command: (.*> {RESULTS}/logs/(\S+)\.log 2>&1)$", said, re.M
        )
    }


def resize(full: Path, left: int | None) -> None:
    """Make the device so small that so many bytes are left; None makes it large."""
    device = full / "results"
    usage = shutil.disk_usage(device)
    size = ROOMY if left is None else usage.used + left
    subprocess.run(["mount", "-o", f"remount,size={size}", str(device)], check=True)


def execute(full: Path, command: str, python: str | Path = sys.executable) -> int:
    """Run a job's command as Snakemake does; return its status."""
    path = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=full,
        # Snakemake names the threads of a job; with others the last bits of a model are others.
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
    ).returncode


def files(folder: Path) -> list[Path]:
    """Return every file below a folder but Snakemake's own."""
    found = (path for path in sorted(folder.rglob("*")) if path.name != ".snakemake_timestamp")
    return [path for path in found if path.is_file()]


def kept(results: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of every file of the results but logs and unfinished work."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in files(results)
        if not {"logs", "state"} & set(path.relative_to(results).parts)
    }


def take_out(results: Path, patterns: list[str]) -> dict[Path, bytes]:
    """Delete the outputs of a job; return their files."""
    found = [path for pattern in patterns for path in sorted(results.glob(pattern))]
    assert found
    inside = [file for path in found for file in (files(path) if path.is_dir() else [path])]
    contents = {file: file.read_bytes() for file in inside}
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return contents


def put_back(contents: dict[Path, bytes]) -> None:
    """Write the outputs of a job again where they are missing, for the next test."""
    for path, content in contents.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def hidden(results: Path) -> list[Path]:
    """Return what has a temporary name: the workflow's, open_clip's or a download's."""
    return [path for name in (".[0-9]*", "tmp.pt", "attempt-*") for path in results.rglob(name)]


def assert_told(full: Path, name: str) -> None:
    """Check that the end of the log is one message that names what could not be written."""
    said = show_end(f"{full / RESULTS}/logs/{name}.log")
    found = MESSAGE.findall(said)
    assert len(found) == 1, said
    path = found[0]
    assert (full / path).is_relative_to(full / RESULTS)
    assert not (full / path).is_file()
    assert "Traceback" not in said


def assert_same(before: dict[Path, bytes]) -> None:
    for path, content in before.items():
        if path.name.endswith(SAYS_TIMES):
            assert path.exists()
        else:
            assert path.read_bytes() == content, path


@contextmanager
def without(full: Path, patterns: list[str]) -> Iterator[dict[Path, bytes]]:
    """Take out the outputs of a job and yield them; leave a large device that holds them."""
    before = take_out(full / RESULTS, patterns)
    try:
        yield before
    finally:
        resize(full, left=None)
        put_back(before)


@pytest.mark.parametrize("name", JOBS)
def test_job_says_so_and_goes_on_with_space(
    full: Path, commands: dict[str, str], name: str
) -> None:
    results = full / RESULTS
    (results / "logs" / f"{name}.log").unlink()
    with without(full, JOBS[name]) as before:
        others = kept(results)
        # A page for the log, and half of what the outputs need.
        resize(full, left=PAGE + sum(map(len, before.values())) // 2 // PAGE * PAGE)
        assert execute(full, commands[name], fork_python())
        made = kept(results).keys() - others.keys()
        assert made < before.keys()
        assert_same({path: before[path] for path in made})
        assert others.items() <= kept(results).items()
        assert not hidden(results)
        assert_told(full, name)
        resize(full, left=None)
        assert execute(full, commands[name], fork_python()) == 0
        assert kept(results).keys() == others.keys() | before.keys()
        assert_same(before)


def test_end_of_a_log_that_could_not_be_written_says_why(
    full: Path, commands: dict[str, str]
) -> None:
    name = "merge_neighbours/trained/val"
    (full / RESULTS / "logs" / f"{name}.log").unlink()
    with without(full, JOBS[name]):
        resize(full, left=0)
        assert execute(full, commands[name])
        log = f"{full / RESULTS}/logs/{name}.log"
        assert show_end(log).splitlines() == [
            f"The end of {log}:",
            "    (empty)",
            f"No space is left on the device of {log}, or a quota is used up: "
            "free some and run the same command again",
        ]


def test_training_keeps_its_latest_checkpoint(full: Path, commands: dict[str, str]) -> None:
    results = full / RESULTS
    checkpoints = results / "state" / TRAINING / "run" / "checkpoints"
    with without(full, [f"{MODEL}/*"]) as before:
        others = kept(results)
        # A checkpoint is three times the weights: the first one fits, the second does not.
        resize(full, left=len(before[results / MODEL / "model.pt"]) * 7 // 2)
        assert execute(full, commands[TRAINING])
        assert kept(results) == others
        assert_told(full, TRAINING)
        assert [path.name for path in checkpoints.iterdir()] == ["epoch_latest.pt"]
        assert torch.load(checkpoints / "epoch_latest.pt", weights_only=True)["epoch"] == 1
        resize(full, left=None)
        assert execute(full, commands[TRAINING], fork_python()) == 0
        log = (results / "logs" / f"{TRAINING}.log").read_text(encoding="utf-8")
        assert "Start epoch 1" in log
        assert "Start epoch 0" not in log
        assert_same(before)


def test_run_fails_clearly_and_goes_on_with_space(full: Path) -> None:
    run(full, "--touch", "--forceall")  # the other tests ran jobs without Snakemake
    results = full / RESULTS
    with without(full, [CHUNK]) as before:
        others = kept(results)
        resize(full, left=sum(map(len, before.values())) // 2)
        said = run(full, f"{RESULTS}/{CHUNK}", status=1)
        assert len(MESSAGE.findall(said)) == 1, said
        assert not (results / CHUNK).exists()
        del others[results / "config.json"]  # written when a run begins
        assert others.items() <= kept(results).items()
        assert not hidden(results)
        resize(full, left=None)
        run(full, f"{RESULTS}/{CHUNK}")
        assert_same(before)


def test_run_says_at_once_that_the_disk_is_full(full: Path) -> None:
    target = JOBS["figure_pruned"][0]
    with without(full, [target]):
        config = (full / RESULTS / "config.json").read_bytes()
        resize(full, left=0)
        done = subprocess.run(
            snakemake(f"{RESULTS}/figures/pruned.png"),
            cwd=full,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode
        said = done.stdout + done.stderr
        assert "no space is left on the device, or a quota is used up: " in said
        assert "Traceback" not in said
        assert (full / RESULTS / "config.json").read_bytes() == config
