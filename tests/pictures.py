"""Pictures with structure at all scales, as photographs have it."""

import io
from typing import Any

import numpy as np
from PIL import Image


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return an RGB picture whose spectrum falls as that of photographs, with hard edges."""
    rng = np.random.default_rng((seed, width, height))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    frequency[0, 0] = 1
    noise = np.fft.fft2(rng.normal(size=(4, height, width))) / frequency
    layers = np.fft.ifft2(noise).real
    layers /= layers.std(axis=(1, 2), keepdims=True) + 1e-9
    colours = 0.7 * layers[:1] + 0.5 * layers[1:]
    colours += 1.5 * (np.sin(np.arange(width) / 7) > 0.9)
    return Image.fromarray((128 + 50 * colours).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as the content of a file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()
