"""Stands in for conda: makes environments from the pip part of their files, with uv.

Knows what Snakemake asks of conda, and nothing else. Packages of channels are not looked at: the
Python is that of the tests, and so are the files of the packages. uv says which an environment
holds: what its file lists, and what these packages require. Every Python program started in an
environment is noted there.
"""

import functools
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path, PurePath

import yaml

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
UV = ROOT / "envs" / "uv_like_pip.py"

# Runs at every start of the environment's Python, before the program.
NOTE_STARTS = """\
import sys
from pathlib import Path

with Path(sys.prefix, "started.txt").open("a", encoding="utf-8") as file:
    file.write(" ".join(sys.orig_argv[1:2]) + "\\n")
"""


def uv(*arguments: str) -> str:
    """Run uv, which must succeed, and return its messages."""
    command = [sys.executable, str(UV), *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stderr


@functools.cache
def owners() -> Mapping[PurePath, set[str]]:
    """Return the installed packages that have files in or below each folder of site-packages."""
    found = defaultdict(set)
    for package in distributions():
        name = package.name
        for folder in {folder for file in package.files or () for folder in file.parents}:
            found[folder].add(name)
    return found


def link_package(name: str, version: str, packages: Path) -> None:
    """Link an installed package into another site-packages: a folder that it alone has as a whole.

    With a link for each file there would be 100,000, each of which Python looks up anew in every
    environment.
    """
    package = distribution(name)
    if package.version != version:
        sys.exit(f"{name} is installed as {package.version}, the environment asks for {version}")
    entries = set()
    for file in package.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            folders = [folder for folder in file.parents if len(owners()[folder]) == 1]
            entries.add(folders[-1] if folders else file)
    for entry in entries:
        source, link = Path(str(package.locate_file(entry))), packages / entry
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source)
        if source.is_file() and (compiled := Path(cache_from_source(source))).exists():
            # Or each start would compile it anew.
            Path(cache_from_source(link)).parent.mkdir(exist_ok=True)
            Path(cache_from_source(link)).symlink_to(compiled)


def write_commands(name: str, folder: Path) -> None:
    """Write the commands of an installed package, to be run by the Python in the same folder."""
    for command in distribution(name).entry_points.select(group="console_scripts"):
        path = folder / command.name
        path.write_text(
            f"#!{folder / 'python'}\n"
            "import sys\n"
            f"from {command.module} import {command.attr} as main\n"
            "if __name__ == '__main__':  # processes that it spawns import this file\n"
            "    sys.exit(main())\n",
            encoding="utf-8",
        )
        path.chmod(0o755)


def create(file: Path, prefix: Path) -> None:
    """Make an environment of what a file lists below pip, in the versions of the lock."""
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    uv("venv", "--no-config", "--python", sys.executable, str(prefix))
    python = str(prefix / "bin" / "python")
    plan = uv("pip", "install", "--dry-run", "--python", python, "--constraints", str(LOCK), *pip)
    (packages,) = prefix.glob("lib/python*/site-packages")
    for name, version in re.findall(r"^ \+ (\S+)==(\S+)$", plan, re.MULTILINE):
        link_package(name, version, packages)
        write_commands(name, prefix / "bin")
    (packages / "note_starts.py").write_text(NOTE_STARTS, encoding="utf-8")
    (packages / "note_starts.pth").write_text("import note_starts\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Answer one call."""
    match arguments:
        case ["--version"]:
            print("conda 25.1.0")
        case ["info", "--json"]:
            here = os.environ["STAND_IN_PREFIX"]
            print(json.dumps({"conda_prefix": here, "platform": "linux-64"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", "--quiet", "--no-default-packages", *places]:
            (_, file), (_, prefix) = zip(places[::2], places[1::2], strict=True)
            create(Path(file), Path(prefix))
        case ["clean", *_]:
            pass
        case _:
            sys.exit(f"conda's stand-in does not know: {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
