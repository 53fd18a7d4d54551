"""Run uv with the package indexes and certificates that pip is configured for.

uv installs several times as fast as pip, but reads none of pip's settings: behind a mirror that a
site has told pip alone, it would find nothing. What uv itself was told comes first.
"""

import os
import subprocess
import sys
from collections.abc import Mapping

INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""What pip calls a setting, and the variable in which uv looks for it."""

SEPARATORS = {"UV_FIND_LINKS": ","}
"""What uv expects between several values, where it is no space as for pip."""


def index_settings(pip_config: str) -> dict[str, str]:
    """Return the variables that let uv look for packages where pip does.

    Args:
        pip_config: What `pip config list` prints.
    """
    found = {}
    # Sections of pip.conf come before variables of the environment, which win.
    for line in sorted(pip_config.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        if name := INDEX_SETTINGS.get(key.rpartition(".")[2]):
            # A value of several lines is printed with "\n" between them.
            values = value.strip("'\"").replace("\\n", " ").split()
            found[name] = SEPARATORS.get(name, " ").join(values)
    # pip takes the best of all indexes, uv by itself the first that knows the package.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found}


def run_uv(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run uv and return its status."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(
        command, env={**index_settings(said), **environment}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(run_uv(sys.argv[1:], os.environ))
