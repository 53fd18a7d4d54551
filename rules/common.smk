# What all rules share: the validated study, its names, and where its files lie.

import gc
import os
import re
import shlex
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from gapmatch.running.atomic import write_text
from gapmatch.config import load_study
from gapmatch.config.search import POOL_NEIGHBOURS
from gapmatch.config.results import TEST_CHUNK, Results
from gapmatch.config.styles import EXAMPLES
from gapmatch.running.errors import InputError
from gapmatch.download.source import sources
from gapmatch.results import shown
from gapmatch.results.neighbour_files import neighbour_files
from gapmatch.running.job_events import JobEvents
from gapmatch.running.options import options
from gapmatch.running.planned_jobs import lost_records, planned_jobs
from gapmatch.running.run_estimate import RunEstimate
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
    # Not raised: Snakemake would put this file and line around the message.
    logger.error(str(error))
    sys.exit(1)

SCRIPTS = shlex.quote(f"{workflow.basedir}/workflow_scripts")
# Inputs by relative paths: their names are recorded, and a moved project is to rerun nothing.
RESOURCES = os.path.relpath(f"{workflow.basedir}/resources")
FILES = Results(STUDY)
RESULTS = FILES.root
REPORT = f"{RESULTS}/report.html"
# The page for raters; none where the study asks for no human check.
HUMAN_CHECK = [f"{RESULTS}/human_check.html"] if STUDY.human_check else []

SUBSETS = FILES.subsets
TEST_SETS = FILES.test_sets
DATASETS = ["pool", "reference", *TEST_SETS]
HAS_EXAMPLES = bool(STUDY.styles and STUDY.styles.examples)
EMBEDDER = FILES.embedder
GAP_MATCHED = FILES.gap_matched
POOL_CHUNKS = FILES.pool_chunks
REFERENCE_CHUNKS = FILES.reference_chunks
COMPUTE = STUDY.compute
# What a job asks for; a machine without GPUs gives none, and "auto" then computes on its processors.
GPU = 0 if COMPUTE.device == "cpu" else 1
TRAINING_GPUS = GPU * COMPUTE.training_gpus
# On a machine with few cores the embedder starts first, because nearly every job waits for it. Then come
# the jobs that trainings wait for, then the trainings. The other jobs fill the gaps.
BEFORE_EMBEDDING, BEFORE_TRAINING, TRAINING = 3, 2, 1
# Two Snakemakes run beside the program of a SLURM job, 200 MB each.
SNAKEMAKE_MB = 500
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


def growing(number):
    """Return a resource that grows with the attempt."""
    return lambda wildcards, attempt: number * attempt


# The environment of jobs that search. faiss-cpu and faiss-gpu are one module: an environment holds one.
SEARCH_ENVIRONMENT = (
    "search_faiss_gpu"
    if COMPUTE.engine == "faiss" and COMPUTE.device == "cuda"
    else "search"
)
# What it asks for.
SEARCHING = {
    "engine": COMPUTE.engine,
    "device": COMPUTE.device,
    "gpu": GPU,
    "block_rows": COMPUTE.search_block_rows,
    "search_mb": COMPUTE.search_memory_mb,
    "mem_mb": search_memory,
}


logged, benchmarked = FILES.log, FILES.benchmark


def one_of(names):
    """Return a wildcard constraint that matches these names only; none of them: nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def source(dataset):
    """Return where a dataset comes from."""
    special = {"pool": STUDY.pool.source, "reference": STUDY.reference.source}
    if HAS_EXAMPLES:
        special[EXAMPLES] = STUDY.styles.examples
    return special[dataset] if dataset in special else STUDY.test_sets[dataset].source


def datasets_of(kind):
    """Return the datasets whose source is of a kind."""
    names = [*DATASETS, EXAMPLES] if HAS_EXAMPLES else DATASETS
    return [name for name in names if source(name).kind == kind]


def model_definition(model):
    """Return the file that defines a model kept in a folder, for rules to depend on."""
    folder = model.removeprefix("local-dir:")
    return [] if folder == model else f"{folder}/open_clip_config.json"


def needed(kind, part):
    """Return the function of a part of what a table or figure is made from."""
    return lambda wildcards: getattr(kind.needed(FILES, wildcards), part)


def outputs_of(kind):
    """Return the files of a table or figure; one with a caption goes into Snakemake's report."""
    files = kind.pattern_files(FILES)
    if kind.caption:
        files[0] = report(
            files[0],
            caption="../resources/caption.rst",
            category=kind.folder.capitalize(),
            labels={kind.folder.removesuffix("s"): kind.title},
        )
    return files


def engine_options(kind):
    """Return the function of the options of a table that searches; they rerun nothing."""
    if not kind.searches:
        return ""
    return lambda wildcards, threads, resources: ENGINE_OPTIONS.format(
        threads=threads, resources=resources
    )


def settings_of(kind):
    """Return the function of the options whose change makes a table or figure again."""
    return lambda wildcards: options(kind.needed(FILES, wildcards).settings)


def arguments_of(kind):
    """Return the function of the other options: Snakemake records no function of ``input``.

    They follow from the inputs and from the order of the config, which is to rerun nothing.
    """
    return lambda wildcards, input: options(kind.needed(FILES, wildcards).arguments)


def checkpoint(_, input):
    """Return the option that names a file of weights; published ones are no file."""
    return options({"checkpoint": input.weights or None})


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
    pages = {
        "The report": [REPORT],
        "Neighbours of the test images": [FILES.browsed()],
        "The human check": HUMAN_CHECK,
    }
    for what, paths in pages.items():
        for path in paths:
            if not workflow.dryrun and Path(path).exists():
                logger.info(f"{what}: {path}")


wildcard_constraints:
    chunk=r"\d{5}",
    dataset=one_of([*DATASETS, EXAMPLES]),
    test_set=one_of(TEST_SETS),
    subset=one_of(SUBSETS),
    embedder=one_of(STUDY.embedders),
    classifier=one_of(STUDY.classifiers),
    seed=r"\d+",


onstart:
    gc.freeze()
    gc.enable()
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
    if warning := lost_records(workflow.dag, workflow.persistence):
        logger.warning(warning)
    events = JobEvents(
        logger.info,
        logger.error,
        RunEstimate(planned_jobs(workflow.dag)),
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
