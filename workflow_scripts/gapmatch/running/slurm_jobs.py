"""SLURM jobs that another Snakemake submitted from here and that still wait or run."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gapmatch.running.errors import InputError

SEPARATOR = "\x1f"
COMMENT = "rule_"
"""What Snakemake's plugin begins the comment of its jobs with."""


@dataclass(frozen=True)
class SlurmJob:
    """A job in the queue.

    Attributes:
        identity: SLURM's number of it.
        name: Its name; Snakemake's plugin gives all jobs of one run the same.
        state: SLURM's word, e.g. RUNNING.
        rule: Rule and wildcards, as the plugin writes them into the comment.
    """

    identity: str
    name: str
    state: str
    rule: str


def queued_jobs(folder: Path) -> list[SlurmJob]:
    """Return the jobs that a Snakemake of this user submitted from ``folder``.

    Raises:
        InputError: squeue gives no answer.
    """
    fields = SEPARATOR.join(("%i", "%j", "%T", "%k", "%Z"))
    done = subprocess.run(
        ["squeue", "--me", "--noheader", f"--format={fields}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(f"squeue does not say which jobs there are: {done.stderr.strip()}")
    rows = (line.split(SEPARATOR) for line in done.stdout.splitlines())
    return [
        SlurmJob(identity, name, state, comment.removeprefix(COMMENT))
        for identity, name, state, comment, workdir in rows
        if comment.startswith(COMMENT) and Path(workdir) == folder
    ]


def require_no_jobs(folder: Path) -> None:
    """Make sure that nothing works on the results that a run in ``folder`` is about to make.

    Raises:
        InputError: Jobs of another run are left, as after a kill of its Snakemake.
    """
    jobs = queued_jobs(folder)
    if jobs:
        listed = "\n".join(f"  {job.identity}  {job.state}  {job.rule}" for job in jobs)
        names = ",".join(sorted({job.name for job in jobs}))
        raise InputError(
            f"SLURM still has {len(jobs)} jobs of another run in {folder}:\n{listed}\n"
            "If its Snakemake lives, let it finish; a second study runs from a checkout of its "
            "own. If it was killed, wait until these jobs have ended (what they finish is kept), "
            "or cancel them (trainings, embeddings and downloads go on where they stopped) with "
            f"scancel --name={names}. Then start again."
        )
