"""Decoding an image: the one way, with the one set of limits."""

import io

from PIL import Image, UnidentifiedImageError

from gapmatch.data.image_extensions import IMAGE_FORMATS

MAX_PIXELS = 100_000_000
"""Larger images are rejected before they are decoded."""
MAX_ASPECT_RATIO = 100
"""More elongated ones too: preprocessing scales the shorter side to the model's input."""


def decode_image(data: bytes) -> Image.Image:
    """Decode an image to RGB.

    Raises:
        ValueError: The bytes are no image, a truncated one, too large or too elongated.
    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"image of {image.width} x {image.height} pixels is too large")
            if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                raise ValueError(f"image of {image.width} x {image.height} pixels is too elongated")
            if image.mode.startswith("I"):
                raise ValueError("a grey image of over 8 bits, which would be clipped to white")
            return image.convert("RGB")
    except UnidentifiedImageError:
        # Its own message holds a memory address: no two runs would list the same reason.
        raise ValueError(f"no image of a known format ({', '.join(IMAGE_FORMATS)})") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
