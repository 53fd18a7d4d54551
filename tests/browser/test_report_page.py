"""The report in a real browser, on a made study."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_report import made_report
from made_results import evaluation_files, make_results
from pages import fits
from playwright.sync_api import Page, expect

from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import read_subsets
from gapmatch.tables.accuracy import accuracy_table


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = make_results(tmp_path_factory.mktemp("reported"))
    subsets = read_subsets(sorted(results.glob("subsets/*/summary.json")))
    accuracy = accuracy_table(read_evaluations(evaluation_files(results)))
    page = results / "report.html"
    page.write_text(made_report(results, subsets, accuracy, results), encoding="utf-8")
    return page


def column(page: Page, table: int, place: int) -> list[str]:
    cells = page.locator("table").nth(table).locator(f"tbody tr > :nth-child({place + 1})")
    return cells.all_text_contents()


def test_tables_sort_by_mouse_and_keyboard(
    report_file: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(report_file)
    table = page.locator("table").first
    before = column(page, 0, 1)
    heads = table.get_by_role("button")
    heads.nth(1).click()
    rising = column(page, 0, 1)
    numbers = [float(cell.partition(" ")[0]) for cell in rising]
    assert numbers == sorted(numbers) and sorted(rising) == sorted(before)
    expect(table.locator("th").nth(1)).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")
    assert column(page, 0, 1) == rising[::-1] or numbers[0] == numbers[1]
    expect(table.locator("th").nth(1)).to_have_attribute("aria-sort", "descending")
    page.keyboard.press("Shift+Tab")  # to the head before
    page.keyboard.press("Space")
    names = column(page, 0, 0)
    assert names == sorted(names)
    assert page.locator("th[aria-sort]").count() == 1


def test_numbers_sort_as_numbers(report_file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(report_file)
    rows = "".join(
        f"<tr><th>{name}</th><td>{value}</td></tr>"
        for name, value in (
            *(("a", "1,234"), ("b", "\N{MINUS SIGN}3.5 (\N{MINUS SIGN}4.0 to 1.0)")),
            *(("c", ""), ("d", "98"), ("e", "+7 %"), ("f", "1e2"), ("g", "none"), ("h", "9e-05")),
        )
    )
    body = page.locator("table").first.locator("tbody")
    body.evaluate("(body, rows) => { body.innerHTML = rows; }", rows)
    page.locator("table").first.get_by_role("button").nth(1).click()
    assert column(page, 0, 0) == ["b", "h", "e", "d", "f", "a", "c", "g"]
    page.locator("table").first.get_by_role("button").nth(1).click()
    assert column(page, 0, 0) == [
        "a",
        "f",
        "d",
        "e",
        "h",
        "b",
        "c",
        "g",
    ]  # what is no number stays last


def test_fits_a_window(
    report_file: Path, open_page: Callable[..., Page], size: tuple[int, int]
) -> None:
    page = open_page(report_file, size=size)
    expect(page.get_by_role("heading", level=1)).to_have_text("made")
    assert fits(page)


def test_all_is_reached_by_keyboard(report_file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(report_file)
    wanted = page.locator("a, button, summary, [tabindex='0']").count()
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "[...document.querySelectorAll('a, button, summary, [tabindex=\"0\"]')]"
                ".indexOf(document.activeElement)"
            )
        )
    hidden = page.locator("details:not([open]) :is(a, button, [tabindex='0'])").count()
    assert len(reached - {-1}) == wanted - hidden
    assert page.locator("img:not([alt])").count() == 0
