"""`--sdm conda`: every job runs with its rule's environment, which holds what it needs.

No channel is asked for packages: a stand-in for conda makes each environment of the pip part of its
file. Everything the programs import comes from there.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from environments import ENVIRONMENTS, FAISS_GPU, SCRIPTS, closure, module_of, programs
from programs import ROOT
from smoke_study import STUDY, check_out, run

pytestmark = pytest.mark.workflow

# Every rule of the smoke study, and some more, but each as few times and as briefly as it can.
BRIEF = {
    "pool.chunks": 1,
    "embedders.trained.epochs": 1,
    "training.epochs": 1,
    # One epoch leaves all images alike.
    "deduplicate.threshold": 1.0,
    "figures.id_test_set": "sketch",
    "styles": {"threshold": 0.5},
}
SUBSETS = ("baseline", "sketch_pruned")
ADDED = {
    "reference_only": {"method": "none", "reference": 0.9},
    "sketch_resnet": {"method": "gap_match", "test_sets": ["sketch"], "embedder": "resnet"},
}
CLASSIFIER = {
    **{"kind": "trained", "model": "test_resnet", "image_size": 64},
    **{"epochs": 1, "batch_size": 32, "lr": 1e-3, "weight_decay": 0.05, "seed": 0},
}
# The stand-in links what is installed; faiss-gpu and faiss-cpu are one module.
MADE = [path for path in ENVIRONMENTS if path != FAISS_GPU]
# What an emoji study of one size and one offset has no use for.
NOT_RUN = {
    *("slice_urls", "ingest_shards", "ingest_imagenet", "ingest_domainnet"),
    *("ingest_clip_benchmark", "evaluate_retrieval", "import_embeddings"),
    *("figure_dose_response", "figure_transfer_by_size", "figure_transfer_matrix"),
    *("table_retrieval", "table_retrieval_cost", "figure_retrieval_cost", "table_first_drop"),
    *("table_factors", "figure_factors", "figure_scale_and_diversity", "figure_mixtures"),
    # What people answered is compared with nothing before there are answers.
    *("embed_trials", "table_human_check", "table_raters", "table_agreement_by_difference"),
    "figure_human_check",
    "inspect_data",  # a target of its own
}


@dataclass(frozen=True)
class CondaRun:
    """A study that ran with conda: what Snakemake said, and the folder of each environment."""

    said: str
    prefixes: dict[str, Path]


def install_stand_in(folder: Path) -> None:
    """Put a `conda` and its `activate` below a folder, where Snakemake looks for them."""
    conda = folder / "bin" / "conda"
    conda.parent.mkdir(parents=True)
    command = f'exec "{sys.executable}" "{ROOT / "tests" / "conda_stand_in.py"}" "$@"'
    conda.write_text(f'#!/bin/sh\nexport STAND_IN_PREFIX="{folder}"\n{command}\n', encoding="utf-8")
    conda.chmod(0o755)
    shutil.copy(ROOT / "tests" / "conda_activate.sh", conda.with_name("activate"))


def write_brief_study(folder: Path) -> Path:
    values = yaml.safe_load((ROOT / STUDY).read_text(encoding="utf-8"))
    for key, value in BRIEF.items():
        section = values
        *path, last = key.split(".")
        for part in path:
            section = section[part]
        section[last] = value
    del values["test_sets"]["val"]
    values["subsets"] = {name: values["subsets"][name] for name in SUBSETS}
    values["subsets"] |= ADDED
    values["classifiers"] = {"resnet": CLASSIFIER}
    values["embedders"]["resnet"] = {"kind": "classifier", "classifier": "resnet"}
    study = folder / "brief.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return study


@pytest.fixture(scope="module")
def conda_run(tmp_path_factory: pytest.TempPathFactory) -> CondaRun:
    """The brief study, run with conda's base active behind this environment in PATH."""
    conda, envs = tmp_path_factory.mktemp("conda"), tmp_path_factory.mktemp("envs")
    install_stand_in(conda)
    folder = check_out(tmp_path_factory.mktemp("with_conda"))
    with pytest.MonkeyPatch.context() as patch:
        places = (Path(sys.executable).parent, conda / "bin", os.environ["PATH"])
        patch.setenv("PATH", os.pathsep.join(map(str, places)))
        patch.setenv("CONDA_PREFIX", str(conda))
        patch.setenv("CONDA_SHLVL", "1")
        said = run(
            folder, "--sdm", "conda", "--conda-prefix", envs, study=write_brief_study(folder)
        )
    # Snakemake keeps a copy of each file beside the environment made of it.
    copies = {path.read_bytes(): path.with_suffix("") for path in envs.glob("*.yaml")}
    prefixes = {}
    for path in MADE:
        prefixes[path.stem] = copies.get(path.read_bytes(), envs / path.stem)
        if path.read_bytes() not in copies:  # no job asked for it
            where = ("--file", path, "--prefix", prefixes[path.stem])
            create = ("env", "create", "--quiet", "--no-default-packages", *where)
            subprocess.run([conda / "bin" / "conda", *create], check=True)
    return CondaRun(said, prefixes)


def started(prefix: Path) -> Counter[str]:
    """Return how often the environment's Python started each of the workflow's programs."""
    lines = (prefix / "started.txt").read_text(encoding="utf-8").splitlines()
    paths = [Path(line) for line in lines]
    return Counter(path.stem for path in paths if path.parent.name == SCRIPTS.name)


def test_each_job_runs_in_the_environment_of_its_rule(conda_run: CondaRun) -> None:
    table = conda_run.said.partition("Job stats:")[2].partition("\n\n")[0]
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    assert programs().keys() - jobs.keys() == NOT_RUN
    expected: dict[str, Counter[str]] = {}
    for rule in programs().keys() & jobs.keys():
        program, environment = programs()[rule]
        expected.setdefault(environment, Counter())[program] += jobs[rule]
    for environment, counts in expected.items():
        found = started(conda_run.prefixes[environment])
        # Programs that others start are named by no rule.
        named = {program for program, _ in programs().values()}
        assert Counter({name: found[name] for name in found.keys() & named}) == counts


@pytest.mark.parametrize("environment", [path.stem for path in MADE])
def test_whatever_is_imported_can_be(conda_run: CondaRun, environment: str) -> None:
    """Inside functions too: what only a GPU or a rare setting needs."""
    files: set[Path] = set()
    for rule, (program, place) in programs().items():
        if place == environment:
            files |= closure(program, module_of(rule))
    done = subprocess.run(
        [
            conda_run.prefixes[environment] / "bin" / "python",
            *(ROOT / "tests" / "run_imports.py", SCRIPTS, *sorted(files)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("rule", sorted(NOT_RUN))
def test_help_of_what_the_study_does_not_run(conda_run: CondaRun, rule: str) -> None:
    program, environment = programs()[rule]
    python = conda_run.prefixes[environment] / "bin" / "python"
    module = module_of(rule)
    words = [module.stem, "--help"] if module else ["--help"]
    done = subprocess.run(
        [python, SCRIPTS / f"{program}.py", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
