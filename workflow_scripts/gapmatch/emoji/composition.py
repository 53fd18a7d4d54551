"""Composing artwork into images: background, scale, rotation, clutter, occlusion, crop, JPEG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

BACKGROUNDS = ("white", "solid", "gradient", "noise", "two_tone")


@dataclass(frozen=True)
class Variation:
    """The ranges that compositions are drawn from.

    Attributes:
        brightness: range of the background's channels, 0 to 255. Line drawings need it high.
        scale: side of the artwork as a fraction of the image.
        rotation: largest rotation either way, degrees.
        translation: largest shift from the centre either way, as a fraction of the image.
        colour_shift: largest relative change of a colour channel.
        occlusion: share of the image's area under a patch.
        clutter: number of other artworks pasted around.
        crop: share of the side that is cut away before the rest is enlarged.
        quality: JPEG quality.
        backgrounds: the kinds to draw from.
    """

    brightness: tuple[int, int] = (190, 255)
    scale: tuple[float, float] = (0.6, 0.95)
    rotation: float = 15.0
    translation: float = 0.08
    colour_shift: float = 0.08
    occlusion: tuple[float, float] = (0.0, 0.0)
    clutter: tuple[int, int] = (0, 0)
    crop: tuple[float, float] = (0.0, 0.0)
    quality: tuple[int, int] = (75, 95)
    backgrounds: tuple[str, ...] = BACKGROUNDS


def compose(
    artwork: Image.Image,
    others: Sequence[Image.Image],
    rng: np.random.Generator,
    variation: Variation,
    size: int,
) -> Image.Image:
    """Compose an image.

    Args:
        artwork: the class's artwork, RGBA, square.
        others: artworks of other classes that clutter is taken from.
        rng: random generator.
        variation: the ranges to draw from.
        size: side of the result in pixels.

    Returns:
        RGB image, ``size`` x ``size``.
    """
    image = background(rng, variation, size)
    for _ in range(int(rng.integers(variation.clutter[0], variation.clutter[1] + 1))):
        _paste_clutter(image, others[int(rng.integers(len(others)))], rng)
    side = rng.uniform(*variation.scale) * size
    shift = rng.uniform(-variation.translation, variation.translation, 2) * size
    angle = rng.uniform(-variation.rotation, variation.rotation)
    _paste(image, artwork, side, angle, (size / 2 + shift[0], size / 2 + shift[1]))
    if variation.occlusion[1] > 0:
        _occlude(image, rng, rng.uniform(*variation.occlusion))
    if variation.crop[1] > 0:
        image = _crop(image, rng, rng.uniform(*variation.crop))
    return _shift_colours(image, rng, variation.colour_shift)


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """Return ``image`` as a JPEG of a quality from 1 to 95."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def background(rng: np.random.Generator, variation: Variation, size: int) -> Image.Image:
    """Return a background: RGB, ``size`` x ``size``, of a kind drawn from the variation's."""
    kind = variation.backgrounds[int(rng.integers(len(variation.backgrounds)))]
    low, high = variation.brightness
    first, second = rng.integers(low, high + 1, (2, 3))
    if kind == "white":
        return Image.new("RGB", (size, size), (255, 255, 255))
    if kind == "solid":
        return Image.new("RGB", (size, size), _colour(first))
    if kind == "gradient":
        ends = np.stack([first, second] if rng.random() < 0.5 else [second, first])
        strip = Image.fromarray(ends[None].astype(np.uint8))
        if rng.random() < 0.5:
            strip = strip.transpose(Image.Transpose.ROTATE_90)
        return strip.resize((size, size), Image.Resampling.BILINEAR)
    if kind == "noise":
        cells = rng.integers(low, high + 1, (8, 8, 3)).astype(np.uint8)
        return Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC)
    if kind == "two_tone":
        image = Image.new("RGB", (size, size), _colour(first))
        edge = rng.uniform(0.2, 0.8, 2) * size
        corners = [(0, size), (0, edge[0]), (size, edge[1]), (size, size)]
        ImageDraw.Draw(image).polygon(corners, fill=_colour(second))
        return image
    raise ValueError(f"unknown kind of background: {kind}")


def _colour(channels: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in channels)
    return red, green, blue


def _paste(
    image: Image.Image,
    artwork: Image.Image,
    side: float,
    angle: float,
    centre: tuple[float, float],
) -> None:
    rotated = artwork.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    scaled = max(1, round(side * rotated.width / artwork.width))
    small = rotated.convert("RGBa").resize((scaled, scaled), Image.Resampling.BILINEAR)
    small = small.convert("RGBA")
    corner = (round(centre[0] - scaled / 2), round(centre[1] - scaled / 2))
    image.paste(small, corner, small)


def _paste_clutter(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> None:
    """Paste another artwork, smaller, somewhere along the border."""
    direction = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.35, 0.5) * image.width
    centre = (
        image.width / 2 + distance * np.cos(direction),
        image.height / 2 + distance * np.sin(direction),
    )
    _paste(image, other, rng.uniform(0.25, 0.45) * image.width, rng.uniform(-60, 60), centre)


def _occlude(image: Image.Image, rng: np.random.Generator, share: float) -> None:
    """Draw a plain box or ellipse over ``share`` of the image's area."""
    aspect = rng.uniform(0.5, 2.0)
    width = image.width * np.sqrt(share * aspect)
    height = image.height * np.sqrt(share / aspect)
    left, top = rng.uniform(0, 1, 2) * (image.width - width, image.height - height)
    box = (left, top, left + width, top + height)
    draw = ImageDraw.Draw(image)
    fill = _colour(rng.integers(0, 256, 3))
    if rng.random() < 0.5:
        draw.rectangle(box, fill=fill)
    else:
        draw.ellipse(box, fill=fill)


def _crop(image: Image.Image, rng: np.random.Generator, share: float) -> Image.Image:
    side = image.width * (1 - share)
    left, top = rng.uniform(0, 1, 2) * (image.width - side)
    return image.resize(
        image.size, Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )


def _shift_colours(image: Image.Image, rng: np.random.Generator, shift: float) -> Image.Image:
    factors = rng.uniform(1 - shift, 1 + shift, 3)
    levels = np.arange(256)
    table = np.clip(np.rint(factors[:, None] * levels), 0, 255).astype(int)
    return image.point(table.ravel().tolist())
