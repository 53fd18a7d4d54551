"""What the rules run, what that imports, and what the environments in envs/ hold."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from programs import ROOT
from run_imports import executed

SCRIPTS = ROOT / "workflow_scripts"
PROGRAMS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
FAISS_GPU = ROOT / "envs" / "search_faiss_gpu.yaml"
"""In place of search.yaml in studies that ask for FAISS on a GPU, which no test installs."""

FOLDERS = {"table": "tables", "figure": "figures", "ingest": "download/sources"}
"""Where the modules are that rules are made from."""

PYTHON = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""The environments' Python, for the markers in the lock."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_environment(path: Path) -> dict[str, str]:
    """Return the versions that an environment pins, by canonical name."""
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    assert f"python={PYTHON['python_version']}" in dependencies
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    pins = {}
    for requirement in map(Requirement, pip):
        (pin,) = requirement.specifier
        pins[canonical(requirement.name)] = pin.version
    return pins


@cache
def parsed_workflow(*config: str) -> dict[str, Any]:
    """Return the rules as Snakemake parses them, and the modules that it imports for that.

    Args:
        config: Changes of the default study, as for ``--config``.
    """
    # In a process of its own: the workflow changes the environment.
    command = [sys.executable, str(ROOT / "tests" / "parsed_rules.py"), *config]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rules() -> dict[str, dict[str, Any]]:
    """Return what tests look at of each rule that runs a program."""
    found: dict[str, dict[str, Any]] = parsed_workflow()["rules"]
    return found


@cache
def programs() -> dict[str, tuple[str, str]]:
    """Return the program of each rule and the environment in which it runs."""
    found = {}
    for rule, parts in rules().items():
        (program,) = re.findall(r"\{SCRIPTS\}/(\w+)\.py", parts["shell"])
        found[rule] = program, Path(parts["conda"]).stem
    return found


def module_of(rule: str) -> Path | None:
    """Return the module that a rule is made from; None for other rules."""
    kind, _, name = rule.partition("_")
    path = SCRIPTS / "gapmatch" / FOLDERS.get(kind, "none") / f"{name}.py"
    return path if path.is_file() else None


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_file(name: str) -> Path | None:
    """Return the file of a module of the package or of a program; None for others."""
    stem = SCRIPTS.joinpath(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever it does; names that may be modules too."""
    names: set[str] = set()
    for node in executed(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # A package runs before its modules.
    return names | {name.rpartition(".")[0] for name in names} - {""}


def started_programs(path: Path) -> set[str]:
    """Return the programs that a file names, to start them itself."""
    return {name for name in PROGRAMS if f"{name}.py" in constants(path)}


def constants(path: Path) -> set[object]:
    return {node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)}


def found_modules(path: Path) -> list[Path]:
    """Return the modules of the packages that a file names, to import all that it finds there."""
    # Only Snakemake, the report and inspection ask which tables, figures and sources there are: the
    # environments of the latter two hold what those need. A program imports the one that it makes.
    if path.stem in ("shown", "table", "figure", "ingest", "ingestion", "source"):
        return []
    packages = [SCRIPTS.joinpath(*str(name).split(".")) for name in constants(path) if name]
    return [
        file
        for package in packages
        if package.is_relative_to(SCRIPTS / "gapmatch") and (package / "__init__.py").is_file()
        for file in package.glob("*.py")
    ]


def closure(program: str, module: Path | None = None) -> set[Path]:
    """Return the files of this project that a program runs, with the module that it is told."""
    seen: set[Path] = set()
    pending = [SCRIPTS / f"{program}.py", *([module] if module else [])]
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        pending += [file for name in imports(path) if (file := module_file(name))]
        pending += [SCRIPTS / f"{name}.py" for name in started_programs(path)]
        pending += found_modules(path)
    return seen
