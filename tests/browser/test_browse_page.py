"""The page of neighbours in a real browser, on a made study."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_browse import make_browse
from made_results import SUBSETS, make_results
from pages import fits
from playwright.sync_api import Page, expect

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "'\"-->]]>{{7*7}} javascript:alert(3)",
    "a\u2028b\u202ec \\u003cb\\u003e ${alert(4)} `",
)
SHOWN_AT_ONCE = 25


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_browse(make_results(tmp_path_factory.mktemp("made")))


def told(page_file: Path, test_set: str) -> dict[str, Any]:
    text = (page_file.parent / f"data/{test_set}.js").read_text(encoding="utf-8")
    return json.loads(text[len("receive(") : -len(");\n")])


def rows(page: Page) -> list[int]:
    """Return the test rows of the images that are shown, in their order."""
    expect(page.locator("#count")).to_contain_text("images of")
    return page.locator("article").evaluate_all("all => all.map(one => Number(one.id.slice(6)))")


def choose(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f"#{name}").select_option(value)


def marked(one: dict[str, Any], subset: int) -> str:
    """Return what stands beside the similarity of a pool image."""
    if "duplicate" in one:
        return " dropped"
    return " pruned" if one["kept"][subset] == "0" else ""


def margin(item: dict[str, Any]) -> float:
    return item["pool"][0]["similarity"] - item["thresholds"][0]


def test_sorts(page_file: Path, open_page: Callable[..., Page]) -> None:
    items = told(page_file, "sketch")["items"]
    page = open_page(page_file, "#set=sketch")
    orders: dict[str, Callable[[dict[str, Any]], Any]] = {
        "margin": lambda one: -margin(one),
        "-margin": margin,
        "similarity": lambda one: -one["pool"][0]["similarity"],
        "-similarity": lambda one: one["pool"][0]["similarity"],
    }
    seen = set()
    for name, key in orders.items():
        choose(page, sort=name)
        expected = [one["row"] for one in sorted(items, key=lambda one: (key(one), one["row"]))]
        assert rows(page) == expected[:SHOWN_AT_ONCE]
        seen.add(tuple(expected))
    assert len(seen) == len(orders)


def test_sorts_by_change_of_prediction(page_file: Path, open_page: Callable[..., Page]) -> None:
    known = told(page_file, "sketch")
    names = [f"{one['training_set']}, seed {one['seed']}" for one in known["models"]]
    a, b = names.index("baseline, seed 1"), names.index("reference_only, seed 0")

    def group(item: dict[str, Any]) -> int:
        right = item["right"][a], item["right"][b]
        if right[0] != right[1]:
            return 0 if right[0] == "1" else 1
        return 3 if item["predicted"][a] == item["predicted"][b] else 2

    page = open_page(page_file, "#set=sketch")
    choose(page, a=names[a], b=names[b], sort="change")
    ordered = sorted(known["items"], key=lambda one: (group(one), -margin(one), one["row"]))
    assert rows(page) == [one["row"] for one in ordered][:SHOWN_AT_ONCE]
    assert {group(one) for one in ordered} >= {0, 1, 3}


def test_filters(page_file: Path, open_page: Callable[..., Page]) -> None:
    known = told(page_file, "sketch")
    names = [f"{one['training_set']}, seed {one['seed']}" for one in known["models"]]
    page = open_page(page_file, "#set=sketch")

    def expected(passes: Callable[[dict[str, Any]], bool]) -> list[int]:
        found = [one["row"] for one in known["items"] if passes(one)]
        assert 0 < len(found) < len(known["items"])
        return found[:SHOWN_AT_ONCE]

    choose(page, **{"class": "fox & hen"})
    assert rows(page) == expected(lambda one: one["class"] == "fox & hen")
    page.get_by_role("button", name="Show all").click()
    for name in ("random_50", "random_25"):
        place = list(SUBSETS).index(name)
        for wanted, digit in (("pruned", "0"), ("kept", "1")):
            choose(page, subset=name, pruned=wanted)
            found = expected(lambda one: one["pool"][0].get("kept", "")[place:][:1] == digit)  # noqa: B023
            assert rows(page) == found
    page.get_by_role("button", name="Show all").click()
    choose(page, a=names[0], a_is="right", b=names[5], b_is="wrong")
    both = expected(lambda one: one["right"][0] == "1" and one["right"][5] == "0")
    assert rows(page) == both
    # The address holds it all: another tab shows the same.
    again = open_page(page_file, "#" + page.url.partition("#")[2])
    assert rows(again) == both


def test_pictures_and_words_of_an_image(page_file: Path, open_page: Callable[..., Page]) -> None:
    known = told(page_file, "sketch")
    item = known["items"][3]
    page = open_page(page_file, f"#set=sketch&image={item['row']}&subset=sketch_pruned")
    card = page.locator(f"#image-{item['row']}")
    expect(card).to_be_focused()
    expect(card).to_contain_text(f"threshold {item['thresholds'][0]:.3f}")
    expect(card).to_contain_text(f"margin +{margin(item):.3f}")
    place = list(SUBSETS).index("sketch_pruned")
    captions = [f"{one['similarity']:.3f}" + marked(one, place) for one in item["pool"]]
    texts = card.locator(".row").first.locator("figcaption").all_text_contents()
    assert texts == captions and any("pruned" in one for one in captions)
    card.locator("img").first.scroll_into_view_if_needed()
    page.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} img`)].every(one => one.naturalWidth > 0)",
        arg=f"image-{item['row']}",
    )
    at = next(place for place, one in enumerate(item["pool"]) if "kept" in one)
    card.locator(".row").first.locator("button").nth(at).click()
    one = item["pool"][at]
    details = page.locator("#details")
    expect(details).to_contain_text(one["caption"])
    expect(details).to_contain_text(f"chunk {one['chunk']}, row {one['row']}, key {one['key']}")
    pruning = [name for name, kept in zip(SUBSETS, one["kept"], strict=True) if kept == "0"]
    expect(details.locator("dd").last).to_have_text(", ".join(pruning))
    assert "duplicate" not in details.inner_text()
    linked = details.get_by_role("link").get_attribute("href")
    assert linked is not None and f"image={item['row']}" in linked


def test_keyboard(page_file: Path, open_page: Callable[..., Page]) -> None:
    items = [one["row"] for one in told(page_file, "val")["items"]]
    page = open_page(page_file)
    assert rows(page) == items[:SHOWN_AT_ONCE]
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(page.locator(f"#image-{items[place]}")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    page.keyboard.press("n")
    assert rows(page) == items[SHOWN_AT_ONCE:]
    expect(page.locator("#next")).to_be_disabled()
    page.keyboard.press("p")
    assert rows(page) == items[:SHOWN_AT_ONCE]
    page.keyboard.press("/")
    expect(page.locator("#set")).to_be_focused()
    page.keyboard.press("j")  # chooses in the list, and goes nowhere
    assert rows(page) == items[:SHOWN_AT_ONCE]


def test_fits_a_window(
    page_file: Path, open_page: Callable[..., Page], size: tuple[int, int]
) -> None:
    page = open_page(page_file, size=size)
    assert rows(page)
    assert fits(page)
    page.locator(".thumb").nth(2).click()
    expect(page.locator("#details")).to_be_visible()
    assert fits(page)
    box = page.locator("#details").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= size[0]


def test_names_and_captions_of_strangers_stay_text(
    tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    results = make_results(tmp_path)
    for path in results.glob("embeddings/e/*/metadata/*.parquet"):
        table = pl.read_parquet(path)
        texts = pl.Series([HOSTILE[row % len(HOSTILE)] for row in range(len(table))])
        table.with_columns(caption=texts, class_name=texts).write_parquet(path)
    chunk = results / "data/val/00000/chunk.json"
    values = json.loads(chunk.read_text())
    chunk.write_text(json.dumps(values | {"classes": list(HOSTILE)}))
    page_file = make_browse(results)
    page = open_page(page_file, "#set=val&class=<img src=x onerror=alert(5)>&a=<b>&image=<i>")
    assert rows(page)
    titles = set(page.locator("h2 .caption").all_text_contents())
    assert titles and titles <= set(HOSTILE)
    page.locator(".row .thumb").first.click()
    caption = page.locator("#details dd").nth(1).text_content()
    assert caption in HOSTILE
    page.wait_for_timeout(300)  # whatever would run has run; the fixture sees dialogs and requests
    assert page.locator("script").count() == 3  # what the page is told, its own, and the data
    assert page.locator("img[src=x]").count() == 0
    policy = page.locator("meta[http-equiv]").get_attribute("content")
    assert policy is not None and "unsafe" not in policy and "default-src 'none'" in policy


def test_another_test_set_keeps_what_it_has(
    page_file: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(page_file, "#set=sketch&b=no such model&b_is=wrong&subset=sketch_pruned")
    expect(page.locator("#b")).to_have_value("sketch_pruned, seed 0")
    choose(page, set="val")
    expect(page.locator("#count")).to_contain_text("of val")
    expect(page.locator("#b")).to_have_value("sketch_pruned, seed 0")
    expect(page.locator("#b_is")).to_have_value("wrong")


def test_images_without_a_value_come_last(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    page_file = make_browse(make_results(tmp_path))
    data = told(page_file, "val")
    lacking = data["items"][4]
    lacking["pool"] = []
    lacking["right"] = "-" * len(lacking["right"])
    text = json.dumps(data)
    (page_file.parent / "data/val.js").write_text(f"receive({text});\n", encoding="utf-8")
    page = open_page(page_file, f"#set=val&image={lacking['row']}")
    for name in ("margin", "-margin", "similarity", "-similarity", "change"):
        choose(page, sort=name)
        page.keyboard.press("n")
        assert rows(page)[-1] == lacking["row"], name
        page.locator("#previous").click()


def test_data_that_cannot_be_read_is_told(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    page_file = make_browse(make_results(tmp_path))
    (page_file.parent / "data/sketch.js").write_text("// cut off", encoding="utf-8")
    page = open_page(page_file, "#set=val")
    assert rows(page)
    choose(page, set="sketch")
    expect(page.locator("#count")).to_contain_text("data/sketch.js cannot be read")
    expect(page.locator("#next")).to_be_disabled()
    assert "set=sketch" in page.url
    choose(page, set="val")
    assert rows(page)
