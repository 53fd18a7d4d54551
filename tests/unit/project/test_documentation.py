"""What the documentation links to is in every clone, and headings that it links to exist."""

import os
import re
from pathlib import PurePosixPath

import pytest
import yaml
from programs import ROOT
from smoke_study import tracked

from gapmatch.config import parse_study

FILES = tracked()
PAGES = [name for name in FILES if name.endswith(".md")]


def links(page: str) -> list[tuple[str, str]]:
    """Return (file, anchor) of the links of a page into this project."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)#\s]*)#?([^)\s]*)\)", text)
    folder = PurePosixPath(page).parent
    return [(os.path.normpath(folder / path) if path else page, end) for path, end in targets]


def anchors(page: str) -> set[str]:
    """Return what the headings of a page are called in links, as GitHub does."""
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_a_clone_has(page: str) -> None:
    folders = {str(parent) for name in FILES for parent in PurePosixPath(name).parents}
    for path, anchor in links(page):
        assert path in FILES or path in folders, path
        assert not anchor or anchor in anchors(path), f"{path}#{anchor}"


STUDIES = [
    pytest.param(text, id=f"{page}: {text.split()[1]}")
    for page in PAGES
    for text in re.findall(
        r"^```yaml\n(study: .*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S
    )
]


@pytest.mark.parametrize("text", STUDIES)
def test_studies_to_copy_are_studies(text: str) -> None:
    assert parse_study(yaml.safe_load(text), "docs").subsets


@pytest.mark.parametrize("page", PAGES)
def test_no_word_is_taken_for_html(page: str) -> None:
    """What looks like a tag, such as <study> outside of code, is not shown."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"(`+).+?\1", "", text, flags=re.S)
    assert not re.findall(r"<[A-Za-z/][^>]*>", text)


def test_there_are_links() -> None:
    assert len([one for page in PAGES for one in links(page)]) > 30
