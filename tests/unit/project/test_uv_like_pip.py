"""uv looks for packages where pip does, and installs them where pip would."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

PROGRAM = ROOT / "envs" / "uv_like_pip.py"
index_settings = runpy.run_path(str(PROGRAM))["index_settings"]
STRATEGY = {"UV_INDEX_STRATEGY": "unsafe-best-match"}


@pytest.mark.parametrize(
    ("pip_config", "expected"),
    [
        ("", {}),
        ("global.timeout='60'\nglobal.cert='/etc/site.crt'", {"SSL_CERT_FILE": "/etc/site.crt"}),
        (
            ":env:.index-url='https://own.example/simple'\nglobal.index-url='https://site.example'",
            {"UV_DEFAULT_INDEX": "https://own.example/simple"},
        ),
        (
            r"global.extra-index-url='https://one.example\nhttps://two.example'",
            {"UV_INDEX": "https://one.example https://two.example"},
        ),
        ("install.find-links='/wheels /more'", {"UV_FIND_LINKS": "/wheels,/more"}),
        (
            "global.proxy='http://proxy.example:3128'\nglobal.trusted-host='one.example'",
            {"ALL_PROXY": "http://proxy.example:3128", "UV_INSECURE_HOST": "one.example"},
        ),
        ("wheel.index-url='https://other.example'\nFor variant 'user', will try", {}),
    ],
)
def test_settings_of_pip_are_those_of_uv(pip_config: str, expected: dict[str, str]) -> None:
    assert index_settings(pip_config) == STRATEGY | expected


def seen_by_uv(tmp_path: Path, **environment: str) -> dict[str, str]:
    """Return the variables that uv is started with; a stand-in for it prints them."""
    (tmp_path / "uv.py").write_text("import os\nfor item in os.environ.items(): print(*item)\n")
    done = subprocess.run(
        [sys.executable, PROGRAM, "pip", "list"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_another_python_is_not_installed_into(tmp_path: Path) -> None:
    images = {"UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "/usr/bin/python3", "UV_TARGET": "/opt"}
    seen = seen_by_uv(tmp_path, UV_LINK_MODE="copy", **images)
    assert not images.keys() & seen.keys()
    assert seen["UV_LINK_MODE"] == "copy"


def test_quiet_pip_tells_its_settings(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nquiet = 1\nindex-url = https://site.example/simple\n")
    seen = seen_by_uv(tmp_path, PIP_CONFIG_FILE=str(config), PIP_QUIET="1")
    assert seen["UV_DEFAULT_INDEX"] == "https://site.example/simple"


def test_home_that_cannot_be_written_needs_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert seen_by_uv(tmp_path, UV_CACHE_DIR=str(tmp_path / "file"))["UV_NO_CACHE"] == "1"
    assert "UV_NO_CACHE" not in seen_by_uv(tmp_path, UV_CACHE_DIR=str(tmp_path / "cache"))
