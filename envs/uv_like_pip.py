"""Run uv with the package indexes and certificates that pip is configured for.

uv installs several times as fast as pip, but reads none of pip's settings: behind a mirror that a
site has told pip alone, it would find nothing. What uv itself was told comes first.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
}
"""What pip calls a setting, and the variable in which uv looks for it."""

SETTING = re.compile(r"(?:global|install|:env:)\.([\w-]+)=(.*)")
"""A line of `pip config list` that holds for `pip install`."""

ELSEWHERE = {"UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_TARGET", "UV_PREFIX"}
"""Variables, as container images set them, that let uv install into another Python than its own."""

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
        setting = SETTING.fullmatch(line)
        if setting and (name := INDEX_SETTINGS.get(setting[1])):
            # A value of several lines is printed with "\n" between them.
            values = setting[2].strip("'\"").replace("\\n", " ").split()
            found[name] = SEPARATORS.get(name, " ").join(values)
    # pip takes the best of all indexes, uv by itself the first that knows the package.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found}


def cache_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that lets uv do without its cache, where that cannot be written."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/"), ".cache")
    cache = Path(environment.get("UV_CACHE_DIR") or Path(home, "uv"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {"UV_NO_CACHE": "1"}
    return {} if os.access(cache, os.W_OK) else {"UV_NO_CACHE": "1"}


def run_uv(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run uv on the environment of this Python and return its status."""
    # Where pip is told to be quiet it lists nothing.
    pip = [sys.executable, "-m", "pip", "-vvv", "config", "list"]
    said = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-m", "uv", *arguments]
    kept = {name: value for name, value in environment.items() if name not in ELSEWHERE}
    settings = index_settings(said) | cache_settings(kept) | kept
    return subprocess.run(command, env=settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(run_uv(sys.argv[1:], os.environ))
