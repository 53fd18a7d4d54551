"""Measure the page of test images and their neighbours for a study of the paper's size.

Pictures with the spectrum of photographs are put on sheets, and data made up of as many subsets and
models as asked for. Where a Chromium is installed, the page is opened in it from disk.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2.utils import htmlsafe_json_dumps
from pictures import picture
from playwright.sync_api import Browser, Page, sync_playwright
from timing import machine, table

from gapmatch.browse.data import neighbours_of
from gapmatch.browse.page import browse
from gapmatch.browse.pictures import QUALITY, SIDE, sheets

RESOURCES = Path(__file__).parents[1] / "resources" / "browse"
NEIGHBOURS, CLASSES = 5, 1_000
CAPTION = "a caption of as many words as captions of the web have, more or less"


def make_table(rng: np.random.Generator, images: int, subsets: int) -> pl.DataFrame:
    """Return made-up neighbours of test images, with what keeps those of the pool."""
    rows = [
        {
            "test_row": 100 * number,
            "dataset": dataset,
            "rank": rank,
            "similarity": float(rng.random()) if rank else None,
            "chunk": f"{rng.integers(104):05d}",
            "row": int(rng.integers(4_000_000)),
            "image_path": f"{rng.integers(10**9):09d}",
            "caption": CAPTION,
            "class_name": f"class {number % CLASSES}",
            "kept": "".join(rng.choice(["0", "1"], subsets)) if dataset == "pool" else None,
        }
        for number in range(images)
        for dataset, ranks in (
            ("test", range(1)),
            ("pool", range(1, NEIGHBOURS + 1)),
            ("reference", range(1, NEIGHBOURS + 1)),
        )
        for rank in ranks
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def make_test_set(folder: Path, name: str, images: int, subsets: int, models: int) -> None:
    """Write the sheets and the data of a test set."""
    rng = np.random.default_rng(int(name.removeprefix("test")))
    found = make_table(rng, images, subsets)
    drawn = [picture(SIDE, SIDE, seed) for seed in range(100)]
    shown = {
        place: drawn[rng.integers(len(drawn))]
        for place in found.select("dataset", "chunk", "row").iter_rows()
    }
    (folder / name).mkdir(parents=True)
    for number, sheet in enumerate(sheets(found, shown, NEIGHBOURS)):
        sheet.save(folder / name / f"{number:03d}.jpg", quality=QUALITY, optimize=True)
    nearest = found.filter(dataset="reference", rank=1).select("test_row", "rank", "similarity")
    items = neighbours_of(found, nearest, [1])
    for item in items.values():
        item["right"] = "".join(rng.choice(["0", "1"], models))
        item["predicted"] = rng.integers(0, CLASSES, models).tolist()
    told = {
        "test_set": name,
        "images": 100 * images,
        "classes": [f"class {number}" for number in range(CLASSES)],
        "subsets": [f"subset_{number}" for number in range(subsets)],
        "models": [
            {"training_set": f"subset_{one // 2}", "seed": one % 2} for one in range(models)
        ],
        "items": list(items.values()),
    }
    data = htmlsafe_json_dumps(told, separators=(",", ":"))
    (folder / f"{name}.js").write_text(f"receive({data});\n", encoding="utf-8")


def make_page(folder: Path, test_sets: list[str], subsets: int) -> Path:
    """Write the page; return its path."""
    summaries = []
    for number in range(subsets):
        told: dict[str, Any] = {
            **{"subset": f"subset_{number}", "method": "random", "test_sets": [], "rank": None},
            **{"offset": None, "seed": 0, "embedder": "e", "settings": {}, "pruned_by": {}},
            **dict.fromkeys(("embedded", "duplicates", "pool", "kept", "pruned"), 0),
        }
        summaries.append(folder.parent / f"summary_{number}.json")
        summaries[-1].write_text(json.dumps(told), encoding="utf-8")
    page = folder / "index.html"
    browse(
        study="benchmark",
        summaries=summaries,
        ranks=[1],
        test_sets=test_sets,
        embedder="e",
        neighbours=NEIGHBOURS,
        credit="",
        resources=RESOURCES,
        out=page,
    )
    return page


LOADED = """() => {
  const all = [...document.querySelectorAll("article:first-child img")];
  return all.length && all.every((one) => one.naturalWidth > 0);
}"""


def timed(page: Page, act: Callable[[], object], shown: str) -> float:
    """Return the seconds from doing something until a test set and its first pictures are shown."""
    begin = time.perf_counter()
    act()
    while not (shown in str(page.locator("#count").text_content()) and page.evaluate(LOADED)):
        time.sleep(0.01)
    return time.perf_counter() - begin


def time_page(browser: Browser, page_file: Path, test_sets: list[str]) -> dict[str, float]:
    """Open the page in a new tab; return the seconds that each step takes."""
    page, first, last = browser.new_page(), f"of {test_sets[0]}", test_sets[-1]
    sort, choice = page.locator("#sort"), page.locator("#set")
    seconds = {
        "opening": timed(page, lambda: page.goto(page_file.as_uri()), first),
        "sorting": timed(page, lambda: sort.select_option("change"), first),
        "another test set": timed(page, lambda: choice.select_option(last), f"of {last}"),
    }
    page.close()
    return seconds


def time_pages(page_file: Path, test_sets: list[str], rounds: int) -> list[list[object]]:
    """Return each step and the median of its seconds."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return [["opening", "no Chromium is installed"]]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        taken = [time_page(browser, page_file, test_sets) for _ in range(rounds)]
        browser.close()
    return [[step, f"{np.median([one[step] for one in taken]):.2f}"] for step in taken[0]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-sets", type=int, default=6)
    parser.add_argument("--images", type=int, default=500, help="shown of each test set")
    parser.add_argument("--subsets", type=int, default=22)
    parser.add_argument("--models", type=int, default=44)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    test_sets = [f"test{number}" for number in range(args.test_sets)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "browse"
        for test_set in test_sets:
            make_test_set(folder / "data", test_set, args.images, args.subsets, args.models)
        page = make_page(folder, test_sets, args.subsets)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        lines = time_pages(page, test_sets, args.rounds)
    print(
        f"{args.test_sets} test sets, {args.images} images shown of each with {NEIGHBOURS} "
        f"neighbours in pool and reference, {args.subsets} subsets, {args.models} models: "
        f"{sum(sizes) / 1e6:.0f} MB in {len(sizes)} files. {machine()}.\n"
    )
    print(table(["until the first pictures are there", "seconds"], lines))


if __name__ == "__main__":
    main()
