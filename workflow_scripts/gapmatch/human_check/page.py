"""The page that shows trials to raters: it contains only pictures and the names of trials."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import polars as pl
from PIL import Image

from gapmatch.human_check.trial_images import look_up, places
from gapmatch.human_check.trials import POOL, REFERENCE, TEST
from gapmatch.results.pictures import ImageFiles

SIDE = 256  # pixels of a picture: of trials it shows three, on phones too
QUALITY = 88


def jpeg(image: Image.Image) -> bytes:
    """Return a picture as JPEG, without comments or other data of the image that it was."""
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    content = io.BytesIO()
    clean.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def page_data(trials: pl.DataFrame, files: Mapping[str, ImageFiles]) -> dict[str, object]:
    """Return what the page shows.

    Pictures are in the order of their bytes: their place tells nothing of where they are from.

    Args:
        trials: The trials, in the order of the cycle.
        files: Where the images of each dataset are.

    Returns:
        check (the digest of the trials), pictures (JPEG, base64), trials: name, and the numbers of
        the pictures in the middle, on the left and on the right.
    """
    found = places(trials)
    encoded = {
        (dataset, *place): base64.b64encode(jpeg(image)).decode("ascii")
        for dataset, table in look_up(found, files).items()
        for place, image in files[dataset].read(table, SIDE).items()
    }
    pictures = sorted(set(encoded.values()))
    number = {picture: place for place, picture in enumerate(pictures)}
    parts: dict[str, dict[str, int]] = {}
    for trial, part, *place in found.iter_rows():
        parts.setdefault(trial, {})[part] = number[encoded[tuple(place)]]
    rows = []
    for trial, left in trials.select("trial", "left").iter_rows():
        one = parts[trial]
        sides = [one.get(POOL, one[TEST]), one[REFERENCE]]
        rows.append([trial, one[TEST], *(sides[::-1] if left == REFERENCE else sides)])
    check = rows[0][0].partition("-")[0]
    return {"check": check, "pictures": pictures, "trials": rows}
