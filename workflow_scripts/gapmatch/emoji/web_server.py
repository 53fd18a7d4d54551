"""A web server for a rendered crawl: a proxy on the loopback that answers for the crawl's host.

The crawl's links stay the same whatever port is free, because the fetching program is told to ask
this server as its HTTP proxy.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from gapmatch.emoji.crawl import HOST, REMOVED_PAGE

HOST_NAME = urlsplit(HOST).hostname


class CrawlHandler(BaseHTTPRequestHandler):
    """Answers for the crawl's host from ``site``, with the faults that the crawl asks for."""

    def __init__(self, site: Path, faults: dict[str, str], *args: object) -> None:
        self.site = site
        self.faults = faults
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Serve a file, or misbehave as the crawl's faults say."""
        url = urlsplit(self.path)
        path = url.path.lstrip("/")
        if url.hostname != HOST_NAME:
            return self.send_error(HTTPStatus.BAD_GATEWAY, "no route to this host")
        fault = self.faults.get(path)
        if fault == "redirect":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"{HOST}/{REMOVED_PAGE}")
            self.end_headers()
            return None
        file = (self.site / path).resolve()
        if not file.is_relative_to(self.site) or not file.is_file():
            return self.send_error(HTTPStatus.NOT_FOUND)
        content = file.read_bytes()
        self.send_response(HTTPStatus.OK)
        kind = "text/html" if fault == "page" or file.suffix == ".html" else "image/jpeg"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "interrupted" else content)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: img2dataset keeps the reasons of what failed."""


@contextmanager
def serve_crawl(crawl: Path) -> Iterator[str]:
    """Serve a rendered crawl for as long as the context lasts.

    Args:
        crawl: Folder that holds ``site/`` and ``faults.json``.

    Yields:
        The proxy's address, for http_proxy.
    """
    faults = json.loads((crawl / "faults.json").read_text(encoding="utf-8"))
    handler = partial(CrawlHandler, (crawl / "site").resolve(), faults)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
