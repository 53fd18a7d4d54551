"""uv looks for packages where pip does."""

import runpy

import pytest
from programs import ROOT

index_settings = runpy.run_path(str(ROOT / "envs" / "uv_like_pip.py"))["index_settings"]
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
    ],
)
def test_settings_of_pip_are_those_of_uv(pip_config: str, expected: dict[str, str]) -> None:
    assert index_settings(pip_config) == STRATEGY | expected
