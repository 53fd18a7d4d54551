"""What Snakemake has planned, and what it lacks a record of.

The package does not import Snakemake: its objects are told by what is asked of them.
"""

from collections import Counter
from typing import Any

from gapmatch.running.run_estimate import Planned


def planned_jobs(dag: Any) -> dict[str, Planned]:
    """Return how many jobs of each rule are to be run, and what one may take.

    Args:
        dag: Snakemake's DAG.
    """
    jobs = [job for job in dag.needrun_jobs() if not job.is_norun]
    one = {job.rule.name: job for job in jobs}
    planned = {}
    for name, number in Counter(job.rule.name for job in jobs).items():
        runtime = one[name].resources.get("runtime")
        planned[name] = Planned(number, runtime if isinstance(runtime, int) else None)
    return planned


def lost_records(dag: Any, persistence: Any) -> str:
    """Say which results Snakemake has no record of: it would not notice that their settings change.

    It writes a record when it sees a job end. Those of jobs that ended on a cluster while their
    Snakemake was dead are missing, and those of results that were copied without .snakemake/.

    Args:
        dag: Snakemake's DAG.
        persistence: Its records.

    Returns:
        A warning; empty where all is on record.
    """
    lost = {
        job.rule.name
        for job in dag.jobs
        if job.output and not dag.needrun(job) and not persistence.has_metadata(job)
    }
    if not lost:
        return ""
    return (
        f"Results of {', '.join(sorted(lost))} are not on record: a change of their settings "
        "would not run them again. If this study's settings made them, write the records when "
        "all is complete: snakemake --touch --forceall --cores 1 (docs/scale.md)"
    )
