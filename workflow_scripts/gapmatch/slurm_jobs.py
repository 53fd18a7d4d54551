"""SLURM jobs of a study that another Snakemake submitted and that still wait or run."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gapmatch.errors import InputError

SEPARATOR = "\x1f"


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


def queued_jobs(prefix: str, folder: Path) -> list[SlurmJob]:
    """Return this user's jobs whose name begins with ``prefix`` and that work in ``folder``.

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
        SlurmJob(identity, name, state, comment.removeprefix("rule_"))
        for identity, name, state, comment, workdir in rows
        if name.startswith(prefix) and Path(workdir) == folder
    ]


def require_no_jobs(prefix: str, folder: Path) -> None:
    """Make sure that nothing works on the results that this run is about to make.

    Raises:
        InputError: Jobs of an earlier run are left, as after a kill of its Snakemake.
    """
    jobs = queued_jobs(prefix, folder)
    if jobs:
        listed = "\n".join(f"  {job.identity}  {job.state}  {job.rule}" for job in jobs)
        names = ",".join(sorted({job.name for job in jobs}))
        raise InputError(
            f"SLURM still has {len(jobs)} jobs of an earlier run of this study:\n{listed}\n"
            "Started again now, their work would be done twice at the same time. Start again when "
            "they have ended (what they finish is kept), or cancel them (trainings, embeddings "
            f"and downloads go on where they stopped): scancel --name={names}"
        )
