"""The documentation as a site: built and read without a network, in a real browser."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import PHONE, fits
from playwright.sync_api import Page
from programs import ROOT
from smoke_study import check_out, tracked

OpenPage = Callable[..., Page]

NO_NETWORK = """
import socket
def refuse(*_, **__):
    raise OSError("documentation is built without a network")
socket.socket.connect = socket.getaddrinfo = refuse
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site that ``make docs`` builds of a clone, where Python has no network."""
    clone, guard = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("guard")
    check_out(clone)
    (guard / "sitecustomize.py").write_text(NO_NETWORK)
    python = Path(sys.executable).parent
    done = subprocess.run(
        # `make test` started this: without the option, make would say where it is in the last line.
        ["make", "docs", f"BIN={python}", "--assume-old=.venv/.installed", "--no-print-directory"],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(guard)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start = clone / done.stdout.splitlines()[-1]
    assert start.name == "index.html"
    return start.parent


def pages(site: Path) -> list[Path]:
    """Return the pages of the site."""
    return sorted(site.rglob("*.html"))


class Links(HTMLParser):
    """What a page links to or loads, and the anchors that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if named.get("id"):
            self.anchors.add(str(named["id"]))
        for key in {"href", "src"} & set(named):
            (self.targets if tag == "a" else self.loaded).append(str(named[key]))


def test_links_lead_to_files_and_anchors(site: Path) -> None:
    read = {page: Links(page) for page in pages(site)}
    followed = 0
    for page, links in read.items():
        assert not [one for one in links.loaded if re.match(r"(\w+:)?//", one)], page
        for link in links.targets + links.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert file.is_file(), f"{page.name}: {link}"
            assert file.is_relative_to(site.resolve()), f"{page.name}: {link}"
            if parts.fragment and file in read:
                assert unquote(parts.fragment) in read[file].anchors, f"{page.name}: {link}"
                followed += 1
    assert followed > 100


def test_every_document_is_a_page(site: Path) -> None:
    documents = [Path(name) for name in tracked() if re.fullmatch(r"docs/.*\.md", name)]
    wanted = {str(one.relative_to("docs").with_suffix(".html")) for one in documents}
    assert {str(one.relative_to(site)) for one in pages(site)} == wanted | {"search.html"}


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff"])
def test_files_of_the_repository_are_copied(site: Path, name: str) -> None:
    (copied,) = site.glob(f"_downloads/*/{name}")
    assert copied.read_bytes() == (ROOT / name).read_bytes()


def test_starts_with_the_readme(site: Path, open_page: OpenPage) -> None:
    page = open_page(site / "index.html")
    assert page.locator("h1").inner_text().startswith("gapmatch")
    assert page.get_by_role("heading", name="Two commands").is_visible()
    page.locator("article").get_by_role("link", name="Contributing", exact=True).click()
    assert page.url.endswith("contributing.html")
    page.locator("article").get_by_role("link", name="docs/extending.md").click()
    assert page.locator("h1").inner_text().startswith("Extending")


def test_a_link_leads_to_a_heading(site: Path, open_page: OpenPage) -> None:
    page = open_page(site / "index.html")
    page.get_by_role("link", name="looks at some samples").click()
    assert page.url.endswith("scale.html#a-look-at-the-data")
    assert page.get_by_role("heading", name="A look at the data").is_visible()


def test_search_finds_a_page(site: Path, open_page: OpenPage) -> None:
    page = open_page(site / "index.html")
    page.locator("input[name=q]").fill("renormalised")
    page.keyboard.press("Enter")
    found = page.locator("#search-results").get_by_role("link", name="Method")
    found.click()
    assert re.search(r"/method\.html\b", page.url)
    assert "renormalised" in page.locator("article").inner_text()


def test_no_page_scrolls_sideways_and_figures_are_there(
    site: Path, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(site / "index.html", size=size)
    shown: set[str] = set()
    for one in pages(site):
        page.goto(one.as_uri())
        assert fits(page), one
        images = page.evaluate("[...document.images].map(one => [one.src, one.naturalWidth])")
        assert all(width > 0 for _, width in images), one
        shown |= {Path(source).name for source, _ in images}
    assert {"transfer_matrix.png", "mixtures.png", "neighbours_sketch.png"} <= shown


@pytest.mark.parametrize(
    ("name", "wide"),
    [
        ("results/tables/differences.html", ".table-wrapper"),
        ("index.html", ".highlight pre"),
    ],
)
def test_what_is_wide_scrolls_inside_its_frame(
    site: Path, open_page: OpenPage, name: str, wide: str
) -> None:
    frame = open_page(site / name, size=PHONE).locator(wide).first
    assert frame.evaluate("one => one.scrollWidth > one.clientWidth")
    frame.evaluate("one => one.scrollTo(50, 0)")
    assert frame.evaluate("one => one.scrollLeft") == 50


def test_linked_figures_open_in_the_browser(site: Path, open_page: OpenPage) -> None:
    page = open_page(site / "results" / "README.html")
    page.get_by_role("link", name="similarity_gap").click()
    page.wait_for_url("**/similarity_gap.png")
    assert page.evaluate("document.images[0].naturalWidth") > 0


def test_equations_are_mathml(site: Path, open_page: OpenPage) -> None:
    page = open_page(site / "method.html")
    equations = page.locator("article math")
    assert equations.count() > 50
    sizes = equations.evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert min(sizes) > 0
    assert page.locator("article math[display=block] munder").first.is_visible()
    assert page.locator("merror").count() == 0
    text = page.locator("article").inner_text()
    assert not re.search(r"\$|\\[a-z]", text)
