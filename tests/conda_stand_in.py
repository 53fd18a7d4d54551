"""Stands in for conda: makes environments from the pip part of their files, with uv.

Knows what Snakemake asks of conda, and nothing else. Packages of channels are not looked at: the
Python is that of the tests. Every Python program started in an environment is noted there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

LOCK = Path(__file__).parents[1] / "requirements.lock"

INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""What pip calls a setting, and the variable in which uv looks for it."""

# Runs at every start of the environment's Python, before the program.
NOTE_STARTS = """\
import sys
from pathlib import Path

with Path(sys.prefix, "started.txt").open("a", encoding="utf-8") as file:
    file.write(" ".join(sys.orig_argv[1:2]) + "\\n")
"""


def index_settings() -> dict[str, str]:
    """Return the variables that let uv look for packages where pip does."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found = {}
    # Sections of pip.conf come before variables of the environment, which win.
    for line in sorted(said.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        if name := INDEX_SETTINGS.get(key.rpartition(".")[2]):
            found[name] = value.strip("'\"")
    # pip takes the best of all indexes, uv by itself the first that knows the package.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found}


def uv(*arguments: str) -> None:
    """Run uv; what the user told uv itself comes before what pip was told."""
    command = [sys.executable, "-m", "uv", *arguments]
    subprocess.run(command, env={**index_settings(), **os.environ}, check=True)


def create(file: Path, prefix: Path) -> None:
    """Make an environment of what a file lists below pip, in the versions of the lock."""
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    uv("venv", "--quiet", "--no-config", "--python", sys.executable, str(prefix))
    python = str(prefix / "bin" / "python")
    # Links into uv's cache take no disk, wherever the environment is.
    options = ("--quiet", "--link-mode", "symlink", "--constraints", str(LOCK))
    uv("pip", "install", "--python", python, *options, *pip)
    (packages,) = prefix.glob("lib/python*/site-packages")
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
