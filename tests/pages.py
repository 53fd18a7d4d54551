"""What tests of pages ask of all of them."""

from playwright.sync_api import Page

PHONE, DESKTOP = (320, 740), (1280, 800)
"""Width and height in pixels."""


def fits(page: Page) -> bool:
    """Return whether the page as a whole does not scroll sideways."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )
