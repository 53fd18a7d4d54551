"""The fast decoder: Pillow's pixels, and Pillow's refusals."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image
from torchvision.transforms.v2 import functional

from gapmatch.data import fast_decoding
from gapmatch.data.decoding import decode_image
from gapmatch.data.fast_decoding import MARGIN, decode_pixels

EXIF = Image.Exif()
EXIF[0x0112] = 6  # orientation: to be turned by 90 degrees

BY_TORCHVISION: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG baseline": lambda image: encoded(image, "JPEG", subsampling=0),
    "JPEG 4:2:2": lambda image: encoded(image, "JPEG", subsampling=1),
    "JPEG 4:2:0": lambda image: encoded(image, "JPEG", subsampling=2),
    "JPEG progressive": lambda image: encoded(image, "JPEG", progressive=True),
    "JPEG restart markers": lambda image: encoded(image, "JPEG", restart_marker_rows=1),
    "JPEG of RGB": lambda image: encoded(image, "JPEG", keep_rgb=True),
    "JPEG grey": lambda image: encoded(image.convert("L"), "JPEG"),
    "JPEG CMYK": lambda image: encoded(image.convert("CMYK"), "JPEG"),
    "JPEG turned by EXIF": lambda image: encoded(image, "JPEG", exif=EXIF),
    "JPEG with a profile": lambda image: encoded(image, "JPEG", icc_profile=bytes(3000)),
}


def transparent(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(image.convert("L"))
    return image


BY_PILLOW: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": lambda image: encoded(image, "PNG"),
    "PNG grey": lambda image: encoded(image.convert("L"), "PNG"),
    "PNG of a palette": lambda image: encoded(image.convert("P"), "PNG"),
    "PNG transparent": lambda image: encoded(transparent(image), "PNG"),
    "WebP": lambda image: encoded(image, "WEBP"),
    "WebP lossless": lambda image: encoded(image, "WEBP", lossless=True),
    "WebP transparent": lambda image: encoded(transparent(image), "WEBP"),
    "GIF": lambda image: encoded(image, "GIF"),
    "BMP": lambda image: encoded(image, "BMP"),
}


def by_pillow(data: bytes) -> torch.Tensor:
    return torch.from_numpy(np.array(decode_image(data))).permute(2, 0, 1)


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 64), (333, 256)])
@pytest.mark.parametrize("kind", [*BY_TORCHVISION, *BY_PILLOW])
def test_pixels_are_pillows(kind: str, size: tuple[int, int]) -> None:
    data = {**BY_TORCHVISION, **BY_PILLOW}[kind](picture(*size))
    decoded = decode_pixels(data)
    assert decoded.pixels.dtype == torch.uint8
    assert torch.equal(decoded.pixels, by_pillow(data))
    assert decoded.by_pillow == (kind in BY_PILLOW)


def result(decode: Callable[[bytes], Any], data: bytes) -> torch.Tensor | str:
    try:
        return decode(data)  # type: ignore[no-any-return]
    except ValueError as error:
        return str(error)


@settings(max_examples=300)
@given(
    kind=st.sampled_from([*BY_TORCHVISION, *BY_PILLOW]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    share=st.just(1.0) | st.floats(0, 1),
)
def test_damaged_images_have_pillows_pixels_or_its_reason(
    kind: str, damage: list[tuple[float, int]], share: float
) -> None:
    data = bytearray({**BY_TORCHVISION, **BY_PILLOW}[kind](picture(40, 30)))
    for place, value in damage:
        data[int(place * (len(data) - 1))] = value
    cut = bytes(data[: int(share * len(data))])
    expected = result(by_pillow, cut)
    found = result(lambda content: decode_pixels(content).pixels, cut)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, expected)


def test_what_torchvision_refuses_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("unsupported")

    monkeypatch.setattr(fast_decoding, "decode_jpeg", refuse)
    data = encoded(picture(64, 64), "JPEG")
    decoded = decode_pixels(data)
    assert decoded.by_pillow
    assert torch.equal(decoded.pixels, by_pillow(data))


@pytest.mark.parametrize(
    ("size", "side", "scale"),
    [
        ((999, 1200), 56, 1),
        ((1000, 1200), 126, 1),
        ((1200, 1000), 125, 2),
        ((1000, 1200), 56, 4),
        ((2000, 1800), 56, 8),
    ],
)
def test_large_jpegs_come_scaled_within_the_error(
    size: tuple[int, int], side: int, scale: int
) -> None:
    data = encoded(picture(*size), "JPEG", quality=90)
    decoded = decode_pixels(data, side)
    assert decoded.pixels.shape[1:] == tuple(-(-one // scale) for one in reversed(size))
    assert decoded.by_pillow == (scale > 1)
    assert min(decoded.pixels.shape[1:]) >= MARGIN * side
    resized, exact = (
        functional.resize(pixels, [side], antialias=True).float()
        for pixels in (decoded.pixels, by_pillow(data))
    )
    assert (resized - exact).abs().max() <= 8
    assert (resized - exact).square().mean().sqrt() <= 1


def test_other_formats_come_whole() -> None:
    data = encoded(picture(900, 900), "PNG")
    assert torch.equal(decode_pixels(data, 56).pixels, by_pillow(data))


NOISY = """
import sys
from gapmatch.data.fast_decoding import decode_pixels, silence_libraries
content = sys.stdin.buffer.read()
if sys.argv[1] == "silent":
    silence_libraries()
decode_pixels(content)
print("python", file=sys.stderr)
"""


@pytest.mark.parametrize("silent", ["silent", "loud"])
def test_what_libjpeg_prints_stays_off_the_terminal(silent: str) -> None:
    whole = encoded(picture(64, 64), "JPEG")
    start = whole.index(b"\xff\xda")
    done = subprocess.run(
        [sys.executable, "-c", NOISY, silent],
        input=whole[:start] + b"abc" + whole[start:],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert b"python\n" in done.stderr
    assert (b"extraneous bytes" in done.stderr) == (silent == "loud")
