"""The crawl's server: right files, wanted faults, and nothing else."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from gapmatch.emoji.crawl import HOST, REMOVED_PAGE
from gapmatch.emoji.web_server import serve_crawl

PICTURE = b"picture" * 100
FAULTS = {"pool/gone.jpg": "dead", "pool/moved.jpg": "redirect", "pool/cut.jpg": "interrupted"}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    crawl = tmp_path_factory.mktemp("crawl")
    (crawl / "site" / "pool").mkdir(parents=True)
    for name in ("whole", "cut"):
        (crawl / "site" / "pool" / f"{name}.jpg").write_bytes(PICTURE)
    (crawl / "secret.txt").write_text("secret")
    (crawl / "site" / "pool" / "link.jpg").symlink_to(crawl / "secret.txt")
    (crawl / "faults.json").write_text(json.dumps(FAULTS))
    with serve_crawl(crawl) as address:
        yield address


def get(proxy: str, target: str) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask the proxy for a target exactly as it is written."""
    connection = http.client.HTTPConnection(urlsplit(proxy).netloc, timeout=10)
    connection.request("GET", target)
    response = connection.getresponse()
    return response, response.read()


def test_files_of_the_site_are_served(proxy: str) -> None:
    response, body = get(proxy, f"{HOST}/pool/whole.jpg")
    assert (response.status, response.headers["Content-Type"]) == (200, "image/jpeg")
    assert body == PICTURE


@pytest.mark.parametrize(
    "target",
    [
        f"{HOST}/../secret.txt",
        f"{HOST}/pool/../../secret.txt",
        f"{HOST}//etc/passwd",
        f"{HOST}/%2e%2e/secret.txt",
        f"{HOST}/pool/link.jpg",
        f"{HOST}/pool",
        f"{HOST}/pool/gone.jpg",
    ],
)
def test_nothing_outside_the_site_is_served(proxy: str, target: str) -> None:
    response, body = get(proxy, target)
    assert response.status == 404
    assert b"secret\n" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("target", ["http://localhost/pool/whole.jpg", "/pool/whole.jpg"])
def test_other_hosts_are_refused(proxy: str, target: str) -> None:
    assert get(proxy, target)[0].status == 502


def test_faults(proxy: str) -> None:
    response, _ = get(proxy, f"{HOST}/pool/moved.jpg")
    assert (response.status, response.headers["Location"]) == (302, f"{HOST}/{REMOVED_PAGE}")
    with pytest.raises(http.client.IncompleteRead):
        get(proxy, f"{HOST}/pool/cut.jpg")
