"""The smoke study as tests run it: real files, real programs, in a checkout of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fork_server import fork_python
from programs import ROOT

STUDY = "studies/smoke.yaml"
RESULTS = "results/smoke"
TEST_SETS = ("val", "sketch")
SUBSETS = ("baseline", "reference_only", "sketch_pruned", "near_sketch")
NOTHING = "Nothing to be done"


def tracked() -> list[str]:
    """Return the files that git tracks, relative to the top level: what a clone has."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return names.stdout.splitlines()


def check_out(folder: Path) -> Path:
    """Copy what git tracks into a folder."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def snakemake(*arguments: object, study: Path | str = STUDY) -> list[str]:
    """Return the command line of Snakemake for a study on this machine."""
    return [
        *(sys.executable, "-m", "snakemake", "--configfile", str(study), "--cores", "all"),
        *map(str, arguments),
    ]


def run(folder: Path, *arguments: object, study: Path | str = STUDY, status: int = 0) -> str:
    """Run Snakemake in a checkout, which must end with a status, and return what it says.

    What it and its programs import is imported already (fork_server.py).
    """
    command = [str(fork_python()), *snakemake(*arguments, study=study)[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, said[-6000:]
    return said


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
