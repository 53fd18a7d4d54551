"""Pages in a real browser: opened from disk, and nothing that they do stays unseen."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pages import DESKTOP, PHONE
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed (on Debian: apt install chromium)")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[*OPTIONS, *sandbox])
        yield started
        started.close()


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """The width and height of a window."""
    return request.param


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open files of this machine in tabs of one browser, which share what pages store.

    The test fails if a page writes to the console, raises an error, opens a dialog, or asks for
    anything but a file.
    """
    context = browser.new_context()
    told: list[str] = []

    def open_file(path: Path, fragment: str = "", size: tuple[int, int] = DESKTOP) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (told.append("dialog"), dialog.dismiss()))
        page.on(
            "request",
            lambda one: (
                None
                if one.url.startswith(("file:", "data:", "blob:"))
                else told.append(f"request: {one.url}")
            ),
        )
        page.goto(path.resolve().as_uri() + fragment)
        return page

    yield open_file
    context.close()
    assert told == []
