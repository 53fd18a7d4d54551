"""Decoding an image: the one set of limits, and the decoder that says what an image is."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from gapmatch.data.image_extensions import IMAGE_FORMATS

MAX_PIXELS = 100_000_000
"""Larger images are rejected before they are decoded."""
MAX_ASPECT_RATIO = 100
"""More elongated ones too: preprocessing scales the shorter side to the model's input."""


@contextmanager
def opened_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image that is within the limits; only its header is read.

    Raises:
        ValueError: The bytes are no image, or one too large or too elongated; or the caller's
            decoding finds it truncated.
    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"image of {image.width} x {image.height} pixels is too large")
            if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                raise ValueError(f"image of {image.width} x {image.height} pixels is too elongated")
            if image.mode.startswith("I"):
                raise ValueError("a grey image of over 8 bits, which would be clipped to white")
            yield image
    except UnidentifiedImageError:
        # Its own message holds a memory address: no two runs would list the same reason.
        raise ValueError(f"no image of a known format ({', '.join(IMAGE_FORMATS)})") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def decode_image(data: bytes) -> Image.Image:
    """Decode an image to RGB.

    Raises:
        ValueError: The bytes are no image, a truncated one, too large or too elongated.
    """
    with opened_image(data) as image:
        return image.convert("RGB")
