"""The smoke study, killed again and again: it goes on, and ends as if nothing had been."""

import itertools
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from fork_server import fork_python
from PIL import Image
from smoke_study import NOTHING, RESULTS, check_out, read_json, run, snakemake

from gapmatch.data.shards import read_samples

pytestmark = pytest.mark.workflow

PATIENCE = 600  # seconds
LIVING = ("in use", "an earlier run still works there")
# Rules of every stage, how often each is waited for, and within how many seconds of a job's first
# sign of life the kill comes: about as long as the job takes.
MOMENTS = {
    "download": {
        "render_emoji": (1, 2.5),
        "download_chunk": (1, 5.0),
        "ingest_imagefolder": (1, 0.5),
    },
    "embed": {"train_embedder": (2, 12.0), "embed_chunk": (2, 2.0)},
    "deduplicate": {
        "cluster_embeddings": (1, 0.5),
        "assign_clusters": (1, 0.5),
        "drop_duplicates": (1, 0.5),
        "collect_duplicates": (1, 0.3),
    },
    "search": {"search_reference": (1, 0.5), "search_pool": (1, 0.5), "merge_neighbours": (1, 0.3)},
    "subset": {"select_subset": (1, 0.3), "certify_subset": (1, 0.3)},
    "train": {"train_clip": (3, 6.0)},
    "evaluate": {"evaluate_zero_shot": (2, 0.8)},
    "report": {
        "table_accuracy": (1, 0.3),
        "figure_similarity_gap": (1, 1.5),
        "write_report": (1, 0.4),
        "write_human_check": (1, 0.4),
    },
}
VICTIMS = ("everything", "snakemake", "everything", "program")
# Snakemake itself, whose programs run in forks (fork_server.py).
WITH_FORKS = """
import sys
from snakemake.cli import main

sys.executable = sys.argv.pop(1)
sys.exit(main())
"""
# What holds times and speeds, or pictures of them.
UNEQUAL = re.compile(
    r"^(logs|benchmarks)/|/metrics\.csv$|_stats\.json$|\.(pt|png|pdf)$|^report\.html$"
)


@dataclass(frozen=True)
class Kill:
    """When to kill what: so long after the log of a job of a rule appears."""

    stage: str
    rule: str
    delay: float
    victim: str


def kills(seed: int, times: int = 1) -> list[Kill]:
    """Return kills at random moments of every stage."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    victims = itertools.cycle(VICTIMS)
    return [
        Kill(stage, rule, rng.uniform(0, most), next(victims))
        for stage, rules in MOMENTS.items()
        for rule, (number, most) in rules.items()
        for _ in range(number * times)
    ]


def is_logged(results: Path, rule: str, since: float) -> bool:
    """Return whether a job of a rule has logged since a moment."""
    for path in (*results.glob(f"logs/{rule}.log"), *results.glob(f"logs/{rule}/**/*.log")):
        with suppress(FileNotFoundError):  # Snakemake deletes it before a job
            if path.stat().st_mtime > since:
                return True
    return False


def programs_of(folder: Path) -> list[int]:
    """Return the processes that run this checkout's programs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            scripts = f"{folder}/workflow_scripts/".encode()
            # Python, its options, what asks the fork server; then the program.
            if any(word.startswith(scripts) for word in command[:4]):
                found.append(int(entry.name))
    return found


def strike(victim: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill with SIGKILL: Snakemake and all it started, itself alone, or the programs alone."""
    if victim == "everything":
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == "snakemake":
        process.kill()
    else:
        while not (found := programs_of(folder)) and process.poll() is None:
            time.sleep(0.05)
        for pid in found:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)
    process.wait(PATIENCE)


def run_until(plan: list[Kill], folder: Path, *arguments: str) -> Kill | None:
    """Run the study until the first kill of the plan is due, and kill.

    Returns:
        The kill; None where Snakemake ended before.
    """
    python, _, _, *rest = snakemake(*arguments)
    end = time.monotonic() + PATIENCE
    with (folder / "snakemake.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-c", WITH_FORKS, fork_python(), *rest],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    began = None
    due: dict[Kill, float] = {}
    while process.poll() is None:
        time.sleep(0.02)
        now = time.monotonic()
        assert now < end, f"none of these ever came: {plan}"
        if began is None:
            # Until then what a killed Snakemake started may still write logs.
            if b"Job stats:" in (folder / "snakemake.log").read_bytes():
                began = time.time()
            continue
        for kill in plan:
            if kill not in due and is_logged(folder / RESULTS, kill.rule, began):
                due[kill] = now + kill.delay
        for kill, moment in due.items():
            if moment <= now:
                strike(kill.victim, process, folder)
                return kill
    return None


def read_whole(path: Path) -> None:
    """Read an output to its end; a partial one raises."""
    match path.suffix:
        case ".parquet":
            pl.read_parquet(path)
        case ".npy":
            np.load(path, allow_pickle=False)
        case ".json":
            read_json(path)
        case ".pt":
            torch.load(path, map_location="cpu", weights_only=True)
        case ".tar":
            assert list(read_samples(path))
        case ".png":
            with Image.open(path) as image:
                image.load()
        case ".pdf":
            assert path.read_bytes().rstrip().endswith(b"%%EOF")
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        case ".csv" | ".md" | ".tex" | ".tsv" | ".log":
            pass  # no end of their own to look for


def outputs(results: Path) -> Iterator[Path]:
    """Yield all files that are taken for whole: neither temporary nor unfinished work.

    A process that outlives Snakemake may still be at work: what it does below state/ and in hidden
    folders is not looked at.
    """
    for folder, below, names in os.walk(results):
        unfinished = {"state"} if Path(folder) == results else set()
        below[:] = [name for name in below if name[0] != "." and name not in unfinished]
        yield from (Path(folder, name) for name in names if name[0] != ".")


def unlock(folder: Path, kills: int) -> None:
    """Do what Snakemake asks for after it was killed.

    From the third kill on without a start of Snakemake, which would do just this.
    """
    locks = list((folder / ".snakemake" / "locks").glob("*"))
    if locks and kills <= 2:
        run(folder, "--unlock")
        assert not any(path.exists() for path in locks)
    for path in locks:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Survivor:
    """A checkout that was killed often and then ran to its end."""

    folder: Path
    struck: list[Kill]
    temporary: Path

    @property
    def results(self) -> Path:
        return self.folder / RESULTS


def check_outputs(results: Path, seen: dict[Path, int]) -> None:
    """Read every output that is new since the last call, whose times are in `seen`."""
    for path in outputs(results):
        time_of = path.stat().st_mtime_ns
        # The crawl holds broken files, on purpose.
        if seen.get(path) != time_of and "emoji" not in path.parts:
            read_whole(path)
            seen[path] = time_of


def survive(folder: Path, temporary: Path, plan: list[Kill]) -> Survivor:
    """Run the study with the kills of a plan; after each, all that seems whole must be so."""
    check_out(folder)
    temporary.mkdir()
    waiting = list(plan)
    struck: list[Kill] = []
    seen: dict[Path, int] = {}
    forced: tuple[str, ...] = ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        while True:
            kill = run_until(waiting, folder, *forced)
            check_outputs(folder / RESULTS, seen)
            if kill:
                waiting.remove(kill)
                struck.append(kill)
            elif ended_well(folder):
                if not waiting:
                    break
                # What it waited for was over too soon: once more, without delay.
                waiting[0] = replace(waiting[0], delay=0.0)
                forced = ("--forcerun", waiting[0].rule)
            unlock(folder, len(struck))
    return Survivor(folder, struck, temporary)


def ended_well(folder: Path) -> bool:
    """Return whether the study is complete; if not, a program of a killed Snakemake still works.

    Then it is waited for, as its message says.
    """
    said = (folder / "snakemake.log").read_text(encoding="utf-8", errors="replace")
    if "(100%) done" in said or NOTHING in said:
        return True
    assert all(word in said for word in LIVING), said[-6000:]
    time.sleep(2)
    return False


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    folder = tmp_path_factory.mktemp("killed")
    return survive(folder / "checkout", folder / "tmp", kills(seed=0))


def test_kills_hit_every_stage(survivor: Survivor) -> None:
    assert len(survivor.struck) >= 20
    assert {kill.stage for kill in survivor.struck} == set(MOMENTS)
    assert {kill.victim for kill in survivor.struck} == set(VICTIMS)


def named_outputs(results: Path) -> set[str]:
    """Return all outputs, relative to the results, but for measured times.

    A job that ends while its Snakemake is dead leaves none.
    """
    names = {str(path.relative_to(results)) for path in outputs(results)}
    return {name for name in names if not name.startswith("benchmarks/")}


def assert_same(results: Path, undisturbed: Path) -> None:
    """Compare all files of two runs, models by their weights."""
    names = named_outputs(undisturbed)
    assert named_outputs(results) == names
    compared = 0
    for name in sorted(names):
        if name.endswith(".pt"):
            one = torch.load(results / name, weights_only=True)
            other = torch.load(undisturbed / name, weights_only=True)
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one), name
        elif not UNEQUAL.search(name):
            assert (results / name).read_bytes() == (undisturbed / name).read_bytes(), name
            compared += 1
    assert compared > 100


def test_results_are_those_of_an_undisturbed_run(survivor: Survivor, results: Path) -> None:
    assert_same(survivor.results, results)


def test_nothing_is_left_behind(survivor: Survivor) -> None:
    assert NOTHING in run(survivor.folder)
    hidden = [path for path in survivor.results.rglob(".*") if path.name != ".snakemake_timestamp"]
    assert not hidden
    assert not [path for path in (survivor.results / "state").rglob("*") if path.is_file()]
    marks = survivor.folder / ".snakemake"
    assert not list((marks / "locks").glob("*"))
    assert not list((marks / "incomplete").glob("*"))
    left = sum(path.stat().st_size for path in survivor.temporary.rglob("*") if path.is_file())
    assert left < 1_000_000, list(survivor.temporary.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_more_kills(results: Path, tmp_path: Path, seed: int) -> None:
    survivor = survive(tmp_path / "checkout", tmp_path / "tmp", kills(seed, times=3))
    assert_same(survivor.results, results)
    test_nothing_is_left_behind(survivor)
