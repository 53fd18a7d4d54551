"""A rater's whole session in a browser, by keyboard, from the page to the workflow's reader."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import make_results
from made_trials import image_files, made_page, made_trials
from pages import fits
from playwright.sync_api import Browser, Page

from gapmatch.human_check.agreement import agreeing, share
from gapmatch.human_check.page import page_data
from gapmatch.human_check.raters import chose_pool, counted, judge_raters, read_answers
from gapmatch.human_check.trials import MAIN, OBVIOUS, REFERENCE

TRIALS = made_trials(20)
BY_NAME = {row["trial"]: row for row in TRIALS.iter_rows(named=True)}
OpenPage = Callable[..., Page]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def written(folder: Path, data: dict[str, object]) -> Path:
    path = folder / "human_check.html"
    path.write_text(made_page(data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the page shows of a small study, whose classes and captions are hostile."""
    results = make_results(tmp_path_factory.mktemp("made"))
    for path in results.glob("embeddings/e/*/metadata/*.parquet"):
        hostile = pl.lit(HOSTILE)
        table = pl.read_parquet(path).with_columns(caption=hostile, class_name=hostile)
        table.write_parquet(path)
    return page_data(TRIALS, image_files(results))


@pytest.fixture
def path(tmp_path: Path, data: dict[str, object]) -> Path:
    return written(tmp_path, data)


def shown(page: Page) -> str:
    """Return the trial that is shown, by its pictures in the middle, on the left, on the right."""
    sources = [
        page.get_attribute(f"{one}", "src") for one in ("#middle", "#left img", "#right img")
    ]
    found = json.loads(page.text_content("#data") or "")
    numbers = [found["pictures"].index((one or "").partition(",")[2]) for one in sources]
    done = int(re.findall(r"\d+", page.text_content("#count") or "")[0])
    start = page.evaluate(f"JSON.parse(localStorage.getItem('human_check {found['check']}')).start")
    trial, *expected = found["trials"][(start + done) % len(found["trials"])]
    assert numbers == expected
    return str(trial)


def press(page: Page, chooses_pool: Callable[[dict[str, object]], bool]) -> str:
    """Answer the trial that is shown: obvious ones rightly."""
    trial = BY_NAME[shown(page)]
    other = trial["kind"] == OBVIOUS or chooses_pool(trial)
    page.keyboard.press("ArrowLeft" if other != (trial["left"] == REFERENCE) else "ArrowRight")
    return str(trial["trial"])


def exported(page: Page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click("#download")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def pool_of_val(trial: dict[str, object]) -> bool:
    """The rater of the test: finds the pool's image nearer in one of the two test sets."""
    return trial["test_set"] == "val"


def test_session_by_keyboard_with_a_break(path: Path, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(path)
    rater = page.text_content("#rater")
    seen = [press(page, pool_of_val) for _ in range(15)]
    # Taken back, and answered again.
    page.keyboard.press("Backspace")
    assert page.text_content("#count") == f"14 of {len(TRIALS)} answered"
    assert press(page, pool_of_val) == seen[-1]
    unfinished = exported(page, tmp_path)
    assert len(unfinished.read_text(encoding="utf-8").splitlines()) == 16
    page.close()

    page = open_page(path)
    assert page.text_content("#rater") == rater
    assert page.text_content("#count") == f"15 of {len(TRIALS)} answered"
    while not page.is_visible("#end"):
        seen.append(press(page, pool_of_val))
    assert sorted(seen) == sorted(TRIALS["trial"])
    assert not page.is_visible("#trial")
    assert page.evaluate("document.activeElement.id") == "end"
    page.keyboard.press("ArrowLeft")  # nothing is left to answer

    export = exported(page, tmp_path)
    assert export.name == f"answers_{TRIALS['trial'][0].partition('-')[0]}_{rater}.csv"
    head, *lines = export.read_text(encoding="utf-8").splitlines()
    assert head == "rater,trial,choice,seconds"
    assert [line.split(",")[1] for line in lines] == seen

    answers = read_answers([export], TRIALS)
    (row,) = judge_raters(answers).rows(named=True)
    assert row["rater"] == rater
    assert row["left_out"] is None
    assert (row["obvious"], row["obvious_right"]) == (12, 12)
    assert (row["repeated"], row["consistent"]) == (2, 2)
    main = TRIALS.filter(kind=MAIN)
    chosen = chose_pool(counted(answers), TRIALS)
    assert chosen.tolist() == [[float(name == "val") for name in main["test_set"]]]
    difference = (main["pool_similarity"] - main["reference_similarity"]).to_numpy()
    expected = np.mean((difference > 0) == (main["test_set"] == "val").to_numpy())
    assert share(agreeing(chosen, difference)).value == pytest.approx(expected)


def test_fits_phones_and_desktops(path: Path, open_page: OpenPage, size: tuple[int, int]) -> None:
    page = open_page(path, size=size)
    for _ in range(3):
        assert fits(page)
        boxes = {name: page.locator(name).bounding_box() for name in ("#middle", "#left", "#right")}
        assert boxes["#left"]["x"] < boxes["#right"]["x"]
        for name in ("#left", "#right"):
            assert min(boxes[name]["width"], boxes[name]["height"]) >= 44
            # All that is needed for an answer is seen without scrolling.
            assert boxes[name]["y"] + boxes[name]["height"] <= size[1]
        page.click("#left" if size[0] < 500 else "#right")
    for _ in range(len(TRIALS) - 3):
        page.keyboard.press("ArrowRight")
    assert page.is_visible("#end")
    assert fits(page)


def test_buttons_are_reached_and_pressed_by_keyboard(path: Path, open_page: OpenPage) -> None:
    page = open_page(path)
    reached = []
    for _ in range(2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["left", "right"]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "undo"
    page.keyboard.press("Space")
    assert page.text_content("#count") == f"0 of {len(TRIALS)} answered"
    assert page.is_disabled("#undo")
    assert page.is_disabled("#download")
    for image in page.locator("#trial img").all():
        assert image.get_attribute("alt")


def test_raters_begin_at_different_places(path: Path, browser: Browser, tmp_path: Path) -> None:
    starts = set()
    for _ in range(6):
        context = browser.new_context()
        page = context.new_page()
        page.goto(path.resolve().as_uri())
        starts.add((shown(page), page.text_content("#rater")))
        context.close()
    assert len({rater for _, rater in starts}) == 6
    assert len({trial for trial, _ in starts}) > 1


def test_keys_with_modifiers_are_the_browsers(path: Path, open_page: OpenPage) -> None:
    page = open_page(path)
    for key in ("Control+ArrowLeft", "Shift+ArrowRight", "x"):
        page.keyboard.press(key)
    assert page.text_content("#count") == f"0 of {len(TRIALS)} answered"


def test_page_goes_on_where_nothing_can_be_kept(path: Path, browser: Browser) -> None:
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})"
    )
    page = context.new_page()
    page.goto(path.resolve().as_uri())
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count") == f"1 of {len(TRIALS)} answered"
    assert page.is_visible("#unkept")
    context.close()


def test_hostile_names_are_not_in_the_page_and_would_do_nothing(
    path: Path, data: dict[str, object], open_page: OpenPage, tmp_path: Path
) -> None:
    assert "alert(" not in path.read_text(encoding="utf-8")
    page = open_page(written(tmp_path, {**data, "caption": HOSTILE, "<!--": "-->"}))
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count") == f"1 of {len(TRIALS)} answered"
    assert json.loads(page.text_content("#data") or "")["caption"] == HOSTILE


def test_policy_refuses_other_scripts_and_requests(path: Path, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.resolve().as_uri())
    page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'changed'";
            document.body.append(script);
            await fetch(location.href).catch(() => {});
        }"""
    )
    assert page.title() == "Which picture is more similar?"
    refused = """fetch("data:text/plain,x").then(() => "fetched", () => "refused")"""
    assert page.evaluate(refused) == "refused"
    context.close()
