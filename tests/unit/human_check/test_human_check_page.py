"""The page as a file: what it holds, and what it must not tell."""

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from made_results import CLASSES
from made_trials import SCRIPT, STYLE, image_files, made_page, made_trials
from PIL import Image

from gapmatch.human_check.page import jpeg, page_data
from gapmatch.results.pictures import ImageFiles

TRIALS = made_trials(20)


@pytest.fixture(scope="module")
def files(results: Path) -> dict[str, ImageFiles]:
    return image_files(results)


@pytest.fixture(scope="module")
def page(files: dict[str, ImageFiles]) -> str:
    return made_page(page_data(TRIALS, files))


def data_of(page: str) -> dict[str, list]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def test_pictures_stand_where_the_trials_say(page: str, files: dict[str, ImageFiles]) -> None:
    data = data_of(page)
    assert [row[0] for row in data["trials"]] == TRIALS["trial"].to_list()
    assert all(row[0].startswith(f"{data['check']}-") for row in data["trials"])

    def shown(dataset: str, row: int) -> str:
        table = files[dataset].look_up(pl.DataFrame({"chunk": ["00000"], "row": [row]}))
        (image,) = files[dataset].read(table, 256).values()
        return base64.b64encode(jpeg(image)).decode()

    for (_, *numbers), trial in zip(data["trials"], TRIALS.iter_rows(named=True), strict=True):
        middle = shown(trial["test_set"], trial["test_row"])
        other = middle if trial["kind"] == "obvious" else shown("pool", trial["pool_row"])
        sides = [other, shown("reference", trial["reference_row"])]
        expected = [middle, *(sides if trial["left"] != "reference" else sides[::-1])]
        assert [data["pictures"][number] for number in numbers] == expected
    assert data["pictures"] == sorted(data["pictures"])


def test_page_tells_nothing_of_what_it_shows(page: str) -> None:
    names = ("pool", "reference", "sketch", "00000.tar", "000000001", "repeated", "obvious")
    text = re.sub(r'"pictures":\[[^]]*\]', "", page)
    for name in (*names, *CLASSES):
        assert not re.search(rf"\b{re.escape(name)}\b", text), name
    assert set(data_of(page)) == {"check", "pictures", "trials"}


def test_policy_allows_what_is_in_the_page_alone(page: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, text in (("style", STYLE), ("script", SCRIPT)):
        (inside,) = re.findall(rf"<{name}>(.*?)</{name}>", page, re.S)
        assert inside == text
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_data_cannot_leave_its_element() -> None:
    hostile = "</script><script>alert(1)</script><!-- & -->"
    made = {"check": hostile, "pictures": [], "trials": []}
    page = made_page(made)
    assert page.count("<script") == 2
    assert "<script>alert" not in page
    assert data_of(page) == made


def test_pictures_hold_nothing_but_pixels() -> None:
    image = Image.new("RGB", (30, 20), "red")
    content = io.BytesIO()
    exif = Image.Exif()
    exif[270] = "a red fox"
    image.save(content, "JPEG", comment=b"a red fox", exif=exif, icc_profile=b"a red fox")
    opened = Image.open(io.BytesIO(content.getvalue()))
    opened.load()
    assert b"fox" not in jpeg(opened)
    assert Image.open(io.BytesIO(jpeg(opened))).size == (30, 20)
