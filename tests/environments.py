"""What the rules run, what that imports, and what the environments in envs/ hold."""

import ast
import re
from functools import cache
from pathlib import Path

import yaml
from programs import ROOT

SCRIPTS = ROOT / "workflow_scripts"
PROGRAMS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))

PYTHON = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""The environments' Python, for the markers in the lock."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_environment(path: Path) -> dict[str, str]:
    """Return the versions that an environment pins, by canonical name."""
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    assert f"python={PYTHON['python_version']}" in dependencies
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    pairs = (requirement.split("==") for requirement in pip)
    return {canonical(name): version for name, version in pairs}


@cache
def rules() -> dict[str, str]:
    """Return the text of each rule, with the shell commands that rules share put in."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        shared = dict(
            re.findall(r"^([A-Z_]+_COMMAND) = (\(.*?^\))", text, re.MULTILINE | re.DOTALL)
        )
        # A rule ends where a line is indented no deeper than its name.
        for match in re.finditer(r"^( *)rule (\w+):\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE):
            body = match[3]
            for name, command in shared.items():
                body = body.replace(name, command)
            found[match[2]] = body
    return found


@cache
def programs() -> dict[str, tuple[str, str]]:
    """Return the program of each rule and the environment in which it runs."""
    found = {}
    for rule, body in rules().items():
        (program,) = re.findall(r"\{SCRIPTS\}/(\w+)\.py", body)
        (environment,) = re.findall(r'"\.\./envs/(\w+)\.yaml"', body)
        found[rule] = program, environment
    return found


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
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # A package runs before its modules.
    return names | {name.rpartition(".")[0] for name in names} - {""}


def started_programs(path: Path) -> set[str]:
    """Return the programs that a file names, to start them itself."""
    constants = {node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)}
    return {name for name in PROGRAMS if f"{name}.py" in constants}


def closure(program: str) -> set[Path]:
    """Return the files of this project that a program runs."""
    seen: set[Path] = set()
    pending = [SCRIPTS / f"{program}.py"]
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        pending += [file for name in imports(path) if (file := module_file(name))]
        pending += [SCRIPTS / f"{name}.py" for name in started_programs(path)]
    return seen
