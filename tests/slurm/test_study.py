"""The smoke study on SLURM, where jobs, nodes, the controller and Snakemake itself get lost."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import IN_A_HURRY, Cluster
from smoke_study import NOTHING, RESULTS, STUDY, SUBSETS, check_out, run

pytestmark = pytest.mark.slurm

PATIENCE = 900  # seconds for the next thing to happen
CERTIFY_MB = 300
"""Memory of the first attempt: two Snakemakes and torch take more, three times as much is enough.
SLURM measures once a second, so a job that is only somewhat too large for a moment may get away."""
GPU_RULES = {
    *(
        "embed_chunk",
        "cluster_embeddings",
        "assign_clusters",
        "search_reference",
        "search_pool",
        "certify_subset",
    ),
    *("train_clip", "evaluate_zero_shot", "table_sensitivity", "embed_trials"),
}
TEST_SET = "sketch"  # that of the subsets; the jobs of another would be the same again
# The cluster makes one table, one figure, and all that the other tables and figures are made of.
# One machine makes those others afterwards.
TARGETS = [
    *(f"{RESULTS}/tables/accuracy.csv", f"{RESULTS}/figures/sensitivity_{TEST_SET}.png"),
    f"{RESULTS}/subsets/baseline/certificate.json",
    f"{RESULTS}/human_check/similarity_trained.parquet",
    *(f"{RESULTS}/subsets/{subset}/diversity.json" for subset in SUBSETS),
]
MADE_AFTERWARDS = re.compile(
    r"^(table_\w+|figure_\w+|browse\w*|write_report|write_human_check|all|total) +\d+$"
)
CHECKPOINT = RESULTS + "/state/train_clip/{subset}/seed0/run/checkpoints/epoch_latest.pt"
FIELDS = ("JobID", "Comment", "State", "Partition", "AllocTRES", "ReqMem", "TimelimitRaw")
TIMES = ("Start", "End")


@dataclass(frozen=True)
class Record:
    """What sacct says of one run of a job; a requeued job has several."""

    job: str
    rule: str
    wildcards: str
    state: str
    partition: str
    gpus: bool
    memory: str
    minutes: int
    start: str
    end: str


@dataclass
class Story:
    """What was done to a run of the study, and what became of it."""

    checkout: Path
    refusal: str = ""
    afterwards: str = ""
    orphans: set[str] = field(default_factory=set)
    submitted_meanwhile: set[str] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)

    def of(self, rule: str, wildcards: str | None = None) -> list[Record]:
        """Return the runs of a rule's jobs, in the order of their start."""
        found = [one for one in self.records if one.rule == rule]
        return [one for one in found if wildcards in (None, one.wildcards)]


def command(*arguments: str) -> list[str]:
    """Return the command line of Snakemake on the cluster; jobs are short, so it looks often."""
    return [
        *(*IN_A_HURRY, "--profile", "slurm", "--configfile", "study.yaml", "--latency-wait", "10"),
        *arguments,
    ]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a YAML file as a user would."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def prepare(folder: Path, embedder: Path) -> None:
    """Make a checkout whose study has one test set, the local run's embedder, longer trainings."""
    check_out(folder)
    shutil.copy(folder / STUDY, folder / "study.yaml")

    def change_study(study: dict[str, Any]) -> None:
        model = study["embedders"]["trained"]["model"]
        checkpoint = {"kind": "checkpoint", "model": model, "checkpoint": str(embedder)}
        study["embedders"]["trained"] = checkpoint
        study["test_sets"] = {TEST_SET: study["test_sets"][TEST_SET]}
        study["figures"]["id_test_set"] = TEST_SET
        study["training"]["epochs"] = 10  # some seconds between the first checkpoint and the end

    edit(folder / "study.yaml", change_study)

    def take_memory(profile: dict[str, Any]) -> None:
        profile["set-resources"]["certify_subset"]["mem_mb"] = f"{CERTIFY_MB} * attempt"

    edit(folder / "profiles" / "default" / "config.yaml", take_memory)


class Run:
    """A Snakemake that submits to the cluster, and what can be done to its jobs."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.log = folder / "snakemake.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*TARGETS), cwd=folder, env=cluster.environment, stdout=log, stderr=log
            )

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is so; Snakemake must live meanwhile."""
        end = time.monotonic() + PATIENCE
        while not reached():
            said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            assert self.process.poll() is None, f"Snakemake ended before {what}:\n{said}"
            assert time.monotonic() < end, f"never: {what}\n{said}"
            time.sleep(0.3)

    def finish(self) -> None:
        """Wait for the end, which must be a good one."""
        status = self.process.wait(PATIENCE)
        said = self.log.read_text(encoding="utf-8", errors="replace")[-8000:]
        assert status == 0, said

    def running(self, rule: str) -> dict[str, str]:
        """Return job by wildcards, of a rule's jobs that run."""
        return dict(queue(self.cluster, "RUNNING", f"rule_{rule}_wildcards_"))

    def settled(self) -> bool:
        """Return whether jobs run, none of which has just begun.

        An srun that asks for its step just when slurmctld ends waits for an answer for ever.
        """
        asked = ("--noheader", "--states=RUNNING", "--format=%S")
        began = self.cluster.run("squeue", *asked).split()
        latest = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 8))
        return bool(began) and max(began) < latest

    def hold_trainings(self, subsets: Iterable[str]) -> dict[str, str]:
        """Stop the training of each subset as soon as it has a checkpoint: it cannot end first.

        Returns:
            Job by subset, of those that are held.
        """
        ready = [one for one in subsets if (self.folder / CHECKPOINT.format(subset=one)).exists()]
        for subset in ready:
            signal_programs(f"state/train_clip/{subset}/seed0", self.folder, signal.SIGSTOP)
        # Asked last: beside other programs the answer may take longer than an epoch.
        jobs = self.running("train_clip")
        return {subset: jobs[f"{subset}_0"] for subset in ready if f"{subset}_0" in jobs}

    def disturb_trainings(self, measures: dict[str, Callable[[str], object]]) -> None:
        """Do to the training of each subset what is said, to one after the other.

        A node that goes down in the moment a job is requeued leaves SLURM with half of both.
        """
        left = dict(measures)
        disturbed = ""

        def done() -> bool:
            nonlocal disturbed
            held = self.hold_trainings(left)
            if disturbed in {job for _, job in queue(self.cluster, "RUNNING,COMPLETING")}:
                return False
            for subset, job in list(held.items())[:1]:
                left.pop(subset)(job)
                disturbed = job
            return not left

        self.wait(done, "a checkpoint of the training of each subset")


def programs_with(argument: str, folder: Path) -> Iterator[int]:
    """Yield the processes that work in a folder and have a text in their command line."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it has just ended
            if (
                entry.name.isdigit()
                and argument.encode() in (entry / "cmdline").read_bytes()
                and (entry / "cwd").readlink() == folder
            ):
                yield int(entry.name)


def signal_programs(argument: str, folder: Path, number: signal.Signals) -> bool:
    """Send a signal to the processes of ``programs_with``; return whether there were some."""
    found = list(programs_with(argument, folder))
    for pid in found:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, number)
    return bool(found)


def queue(cluster: Cluster, state: str, prefix: str = "rule_") -> Iterator[tuple[str, str]]:
    """Yield (comment without prefix, job) of the jobs in a state."""
    asked = cluster.run("squeue", "--noheader", f"--states={state}", "--format=%i %k")
    for job, comment in map(str.split, asked.splitlines()):
        if comment.startswith(prefix):
            yield comment.removeprefix(prefix), job


def end_now(cluster: Cluster, job: str) -> None:
    """Let a job reach its time limit; slurmctld notices within half a minute."""
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    cluster.run("scontrol", "update", f"jobid={job}", f"endtime={end}")


def lose_node(cluster: Cluster, _: str) -> None:
    """Take the GPU node away and give it back."""
    cluster.set_down("gpu1")
    time.sleep(1)
    cluster.resume("gpu1")


def accounting(cluster: Cluster, folder: Path) -> list[Record]:
    """Return all runs of the jobs of a checkout, as sacct remembers them."""
    columns = ",".join((*FIELDS, *TIMES, "WorkDir"))
    options = ("--noheader", "--parsable2", "--allocations", "--duplicates")
    text = cluster.run("sacct", *options, "--starttime=now-1days", f"--format={columns}")
    records = []
    for line in text.splitlines():
        job, comment, state, partition, tres, memory, minutes, start, end, where = line.split("|")
        if Path(where) == folder:
            rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
            gpus = "gres/gpu=1" in tres.split(",")
            limits = (memory, int(minutes), start, end)
            records.append(Record(job, rule, wildcards, state, partition, gpus, *limits))
    return sorted(records, key=lambda record: record.start)


@pytest.fixture(scope="module")
def story(cluster: Cluster, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The study on the cluster, with everything that may happen to it there."""
    folder = tmp_path_factory.mktemp("study")
    prepare(folder, results / "embedders" / "trained" / "model.pt")
    story = Story(folder)

    first = Run(cluster, folder)
    # What is stopped cannot end before the next Snakemake has looked.
    signal_embedding = partial(signal_programs, "embed_chunk.py", folder)
    first.wait(lambda: signal_embedding(signal.SIGSTOP), "an embedding")
    first.process.kill()
    first.process.wait()
    story.orphans = {job for _, job in queue(cluster, "RUNNING,PENDING")}
    known = {job for _, job in queue(cluster, "all")}
    subprocess.run(command("--unlock"), cwd=folder, env=cluster.environment, check=True)
    again = subprocess.run(
        command(), cwd=folder, env=cluster.environment, capture_output=True, text=True, check=False
    )
    assert again.returncode != 0
    story.refusal = again.stderr
    # Some may have ended before it looked.
    story.orphans &= {job for _, job in queue(cluster, "RUNNING,PENDING")}
    story.submitted_meanwhile = {job for _, job in queue(cluster, "all")} - known
    signal_embedding(signal.SIGCONT)
    cluster.wait(lambda: not list(queue(cluster, "RUNNING,PENDING")), "orphans", "slurmctld")

    second = Run(cluster, folder)
    measures: dict[str, Callable[[str], object]] = {
        "baseline": lambda job: cluster.run("scontrol", "requeue", job),
        "sketch_pruned": lambda job: cluster.run("scancel", job),
        "near_sketch": partial(end_now, cluster),
        "reference_only": partial(lose_node, cluster),
    }
    second.wait(
        lambda: bool(second.hold_trainings(measures)) and second.settled(),
        "a moment without starting jobs",
    )
    cluster.restart_slurmctld()
    second.disturb_trainings(measures)
    second.finish()
    story.records = accounting(cluster, folder)
    story.afterwards = run(folder, study="study.yaml")
    return story


def test_subsets_are_those_of_one_machine(story: Story, results: Path) -> None:
    for subset in SUBSETS:
        paths = [*(results / "subsets" / subset).rglob("kept_*.parquet")]
        assert len(paths) == 2
        for path in (*paths, results / "subsets" / subset / "summary.json"):
            other = story.checkout / RESULTS / path.relative_to(results)
            assert other.read_bytes() == path.read_bytes(), path


def test_one_machine_goes_on_with_what_the_cluster_made(story: Story) -> None:
    table = story.afterwards.partition("Job stats:")[2].partition("\n\n")[0]
    rows = [row for row in table.splitlines() if re.search(r" \d+$", row)]
    assert rows
    assert all(MADE_AFTERWARDS.match(row) for row in rows), table


def test_study_is_complete(story: Story, cluster: Cluster) -> None:
    assert (story.checkout / RESULTS / "report.html").stat().st_size > 0
    done = subprocess.run(
        command("--dry-run"),
        cwd=story.checkout,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert NOTHING in done.stdout + done.stderr


def test_jobs_of_gpu_rules_alone_are_on_the_gpu_partition(story: Story) -> None:
    for record in story.records:
        on_gpu = record.rule in GPU_RULES
        assert (record.partition == "gpu") == on_gpu, record
        assert record.gpus == on_gpu, record
    assert {record.rule for record in story.records} >= GPU_RULES


def test_more_memory_after_too_little(story: Story) -> None:
    short = 0
    for subset in ("baseline", "sketch_pruned"):
        *earlier, last = story.of("certify_subset", subset)
        assert last.state == "COMPLETED"
        if {"FAILED", "OUT_OF_MEMORY"} & {one.state for one in earlier}:
            short += 1
            assert earlier[0].memory == f"{CERTIFY_MB}M"
            assert last.memory in (f"{2 * CERTIFY_MB}M", f"{3 * CERTIFY_MB}M")
    # One may have been lost with its node instead, or have found what the other made for both.
    assert short


def test_more_time_after_too_little(story: Story) -> None:
    *earlier, last = story.of("train_clip", "near_sketch_0")
    # It may have been on the node that was lost as well.
    assert "TIMEOUT" in [one.state for one in earlier]
    assert last.state == "COMPLETED"
    profile = yaml.safe_load((story.checkout / "profiles/default/config.yaml").read_text())
    (base,) = re.findall(r"\d+", profile["set-resources"]["train_clip"]["runtime"])
    assert last.minutes == 2 * int(base)


@pytest.mark.parametrize(
    ("subset", "state"),
    [
        ("baseline", "REQUEUED"),
        ("sketch_pruned", "CANCELLED"),
        ("near_sketch", "TIMEOUT"),
        ("reference_only", "NODE_FAIL"),
    ],
)
def test_training_goes_on_from_its_checkpoint(story: Story, subset: str, state: str) -> None:
    runs = story.of("train_clip", f"{subset}_0")
    assert state in [run.state.split()[0] for run in runs]
    assert [run.state for run in runs].count("COMPLETED") == 1
    log = (story.checkout / RESULTS / f"logs/train_clip/{subset}/seed0.log").read_text()
    resumed = [int(epoch) for epoch in re.findall(r"resuming checkpoint .*\(epoch (\d+)\)", log)]
    assert resumed
    epochs = [int(epoch) for epoch in re.findall(r"Train Epoch: (\d+) ", log)]
    assert min(epochs) == resumed[-1] > 0


def test_killed_snakemake_leaves_no_two_jobs_on_one_output(story: Story) -> None:
    assert story.orphans
    assert not story.submitted_meanwhile
    assert all(f"  {job}  " in story.refusal for job in story.orphans), story.refusal
    assert "scancel --name=" in story.refusal
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in story.records:
        runs.setdefault((record.rule, record.wildcards), []).append(record)
    for same in runs.values():
        assert [record.state for record in same].count("COMPLETED") == 1, same
        for earlier, later in pairwise(same):
            assert earlier.end <= later.start, same
    assert {record.wildcards for record in story.of("evaluate_zero_shot")} == {
        f"{subset}_0_{TEST_SET}" for subset in SUBSETS
    }


def test_efficiency_is_reported(story: Story) -> None:
    assert list((story.checkout / "results" / "slurm_logs").glob("efficiency*"))
