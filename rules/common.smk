# What all rules share: the validated study, its names, and where its files lie.

import os
import re
import shlex
from collections import Counter
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from gapmatch.running.atomic import write_text
from gapmatch.config import load_study
from gapmatch.config.classification import CheckpointClassifier, TrainedClassifier
from gapmatch.config.datasets import (
    EmojiSource,
    ImageFolderSource,
    ImageNetSource,
    ShardsSource,
    UrlsSource,
)
from gapmatch.config.embedding import (
    ClassifierEmbedder,
    PretrainedEmbedder,
    TimmEmbedder,
    TrainedEmbedder,
)
from gapmatch.config.reporting import POOL_NEIGHBOURS
from gapmatch.config.subsets import GapMatchSubset
from gapmatch.running.errors import InputError
from gapmatch.running.job_events import JobEvents
from gapmatch.running.run_estimate import Planned, RunEstimate
from gapmatch.running.run_progress import ProgressDisplay, RunProgress
from gapmatch.running.slurm_jobs import require_no_jobs
from gapmatch.running.terminal_line import take_terminal

# Threads that wait for each other sleep. By default they spin: beside other programs a training with
# two threads is then ten times slower than with one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Rules run `python`: that of this environment, or of the rule's conda environment before it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# Where an environment of conda is active, conda puts the rule's in its place in PATH, which is behind
# ours. As if none were, it puts the rule's first.
for name in ("CONDA_SHLVL", "CONDA_PREFIX"):
    os.environ.pop(name, None)

try:
    STUDY = load_study(config, workflow.configfiles)
except InputError as error:
    raise WorkflowError(str(error))

SCRIPTS = shlex.quote(f"{workflow.basedir}/workflow_scripts")
# Inputs by relative paths: their names are recorded, and a moved project is to re-run nothing.
RESOURCES = os.path.relpath(f"{workflow.basedir}/resources")
CAPTIONS = f"{RESOURCES}/captions"
RESULTS = f"results/{STUDY.study}"
REPORT = f"{RESULTS}/report.html"

SUBSETS = list(STUDY.subsets)
TEST_SETS = list(STUDY.test_sets)
EMBEDDER = STUDY.search.embedder
GAP_MATCHED = [
    name for name in SUBSETS if isinstance(STUDY.subsets[name], GapMatchSubset)
]
POOL_CHUNKS = [f"{chunk:05d}" for chunk in range(STUDY.pool.chunks)]
REFERENCE_CHUNKS = [f"{chunk:05d}" for chunk in range(STUDY.reference.chunks)]
TEST_CHUNK = "00000"
COMPUTE = STUDY.compute
# What a job asks for; a machine without GPUs gives none, and "auto" then computes on its processors.
GPU = 0 if COMPUTE.device == "cpu" else 1
TRAINING_GPUS = GPU * COMPUTE.training_gpus
# On a machine with few cores the embedder starts first, because nearly every job waits for it. Then come
# the jobs that trainings wait for, then the trainings. The other jobs fill the gaps.
BEFORE_EMBEDDING, BEFORE_TRAINING, TRAINING = 3, 2, 1
# Two Snakemakes run beside the program of a SLURM job, 200 MB each.
SNAKEMAKE_MB = 500
# What tells the reference's classes: any of its chunks.
REFERENCE_CHUNK = f"{RESULTS}/data/reference/{REFERENCE_CHUNKS[0]}"
# For the programs that search; their rules name these resources.
ENGINE_OPTIONS = (
    "--engine {resources.engine} --device {resources.device} --threads {threads} "
    "--max-memory-mb {resources.search_mb} --block-rows {resources.block_rows} "
)


def search_memory(wildcards, attempt):
    """Return the memory that a job that searches asks for, in MB.

    The search itself fits into compute.search_memory_mb; Snakemake runs beside it in a SLURM job.
    """
    return (COMPUTE.search_memory_mb + SNAKEMAKE_MB) * attempt


def options(**values):
    """Return command-line options of settings, to be one parameter of a rule.

    Snakemake compares the set of a rule's parameters with the recorded one, without their names:
    as parameters of their own, two settings that swap their values would re-run nothing. Nor does
    it record a parameter that a function makes of ``input``.
    """
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in values.items()
    )


def one_of(names):
    """Return a wildcard constraint that matches these names only; none of them: nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def chunks(dataset):
    """Return the chunk ids of a dataset."""
    return {"pool": POOL_CHUNKS, "reference": REFERENCE_CHUNKS}.get(
        dataset, [TEST_CHUNK]
    )


def source(dataset):
    """Return where a dataset comes from."""
    special = {"pool": STUDY.pool.source, "reference": STUDY.reference.source}
    return special[dataset] if dataset in special else STUDY.test_sets[dataset].source


def datasets_from(*kinds):
    """Return the datasets whose source is of one of the kinds."""
    names = ["pool", "reference", *TEST_SETS]
    return [name for name in names if isinstance(source(name), kinds)]


def data(dataset):
    """Return the folders of a dataset's chunks."""
    return expand(f"{RESULTS}/data/{dataset}/{{chunk}}", chunk=chunks(dataset))


def metadata(dataset):
    """Return the metadata of a dataset's chunks, as the embedder of the search read them."""
    folder = f"{RESULTS}/embeddings/{EMBEDDER}/{dataset}/metadata"
    return expand(f"{folder}/metadata_{{chunk}}.parquet", chunk=chunks(dataset))


def embeddings(embedder, dataset):
    """Return the embeddings and metadata of all chunks of a dataset."""
    folder = f"{RESULTS}/embeddings/{embedder}/{dataset}"
    return expand(
        [
            f"{folder}/img_emb/img_emb_{{chunk}}.npy",
            f"{folder}/metadata/metadata_{{chunk}}.parquet",
        ],
        chunk=chunks(dataset),
    )


def model_definition(model):
    """Return the file that defines a model kept in a folder, for rules to depend on."""
    folder = model.removeprefix("local-dir:")
    return [] if folder == model else f"{folder}/open_clip_config.json"


def warn_of_lost_records():
    """Say which results Snakemake has no record of: it would not notice that their settings change.

    It writes a record when it sees a job end. Those of jobs that ended on a cluster while their
    Snakemake was dead are missing, and those of results that were copied without .snakemake/.
    """
    lost = {
        job.rule.name
        for job in workflow.dag.jobs
        if job.output
        and not workflow.dag.needrun(job)
        and not workflow.persistence.has_metadata(job)
    }
    if lost:
        logger.warning(
            f"Results of {', '.join(sorted(lost))} are not on record: a change of their settings "
            "would not run them again. If this study's settings made them, write the records when "
            "all is complete: snakemake --touch --forceall --cores 1 (docs/scale.md)"
        )


def planned_jobs():
    """Return how many jobs of each rule are to be run, and what one may take."""
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_norun]
    one = {job.rule.name: job for job in jobs}
    planned = {}
    for name, number in Counter(job.rule.name for job in jobs).items():
        runtime = one[name].resources.get("runtime")
        planned[name] = Planned(number, runtime if isinstance(runtime, int) else None)
    return planned


def reword_lock(record):
    """Say what a plan is worth while another run goes on: Snakemake calls it an error, and plans."""
    if "Another Snakemake instance is running" in record.getMessage():
        record.msg, record.args = (
            "Another Snakemake is running here: this is what is left to do now. Nothing was changed.",
            (),
        )
    return True


logger.addFilter(reword_lock)


def show_progress(events):
    """Show how far the run is while jobs are under way, unless --quiet keeps that back."""
    if {Quietness.ALL, Quietness.PROGRESS} & set(workflow.output_settings.quiet or ()):
        return
    say = partial(logger.info, extra={"quietness": Quietness.PROGRESS})
    ProgressDisplay(RunProgress(events), take_terminal(logger), say).start()


onsuccess:
    if not workflow.dryrun and Path(REPORT).exists():
        logger.info(f"The report: {REPORT}")


wildcard_constraints:
    chunk=r"\d{5}",
    dataset=one_of(["pool", "reference", *TEST_SETS]),
    test_set=one_of(TEST_SETS),
    subset=one_of(SUBSETS),
    embedder=one_of(STUDY.embedders),
    classifier=one_of(STUDY.classifiers),
    seed=r"\d+",


onstart:
    # Only SLURM's settings have one.
    if hasattr(workflow.executor_settings, "partition_config"):
        try:
            require_no_jobs(Path.cwd())
        except InputError as error:
            raise WorkflowError(str(error))
    # Snakemake 9.27 limits how many jobs start per second. For that it examines all ready jobs again one
    # second after each time it did so, and every finished job adds such a cycle. On one machine the
    # cores limit the jobs, and the cycles only cost time (docs/performance.md).
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    warn_of_lost_records()
    events = JobEvents(
        logger.info,
        logger.error,
        RunEstimate(planned_jobs()),
        total=len(workflow.dag),
    )
    logger.addHandler(events)
    show_progress(events)
    try:
        write_text(
            Path(RESULTS, "config.json"), STUDY.model_dump_json(indent=2) + "\n"
        )
    except InputError as error:
        raise WorkflowError(str(error))
