"""Decoding an image to a tensor: Pillow's pixels, faster.

torchvision and Pillow decode JPEGs by the same library. On 150,000 damaged ones torchvision gave
Pillow's pixels or refused, and gave none where Pillow refused. Other formats are Pillow's: there
torchvision saves a tenth or two, and its decoder of PNG crashes on damaged ones. TorchCodec, which
will replace torchvision's decoders, is as fast, but turns images as their EXIF tells, which neither
open_clip nor this workflow does, and takes WebP images cut short.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from gapmatch.data.decoding import decode_image, opened_image

LARGE = 1000
"""Scaling while decoding pays from so many pixels of the shorter side."""
SCALES = (8, 4, 2)
"""By how much a decoder of JPEGs can scale down while it decodes."""
MARGIN = 4
"""A scaled image is at least so many times as large as what is made of it: with less, the scaling
shows in the embedding (docs/performance.md)."""


@dataclass(frozen=True)
class Decoded:
    """An image.

    Attributes:
        pixels: (3, h, w).
        by_pillow: Whether Pillow decoded it, which takes longer.
    """

    pixels: torch.Tensor
    by_pillow: bool


ReadImage = Callable[[bytes], Decoded]
"""The content of an image's file to what is wanted of it, of one shape and type for all images;
raises ValueError where it is no image."""


@dataclass(frozen=True)
class OwnTransform:
    """Reads an image as a library's own transform of PIL images does.

    Attributes:
        preprocess: PIL image to (3, h, w).
    """

    preprocess: Callable[[Image.Image], torch.Tensor]

    def __call__(self, data: bytes) -> Decoded:
        """Decode an image and transform it.

        Raises:
            ValueError: As ``decoding.decode_image`` does.
        """
        return Decoded(self.preprocess(decode_image(data)), by_pillow=True)


def decode_pixels(data: bytes, side: int | None = None) -> Decoded:
    """Decode an image to RGB, uint8.

    Args:
        data: Its bytes.
        side: The longer side of what the image will be scaled down to, pixels: a LARGE JPEG whose
            shorter side is at least ``2 * MARGIN`` times as long comes scaled down by 2, 4 or 8.
            None leaves it.

    Raises:
        ValueError: As ``decoding.decode_image`` does.
    """
    with opened_image(data) as image:
        if image.format == "JPEG" and not _scaled_down(image, side):
            try:
                # A copy, because torch takes no memory that cannot be written.
                content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
                return Decoded(decode_jpeg(content, mode=ImageReadMode.RGB), by_pillow=False)
            except RuntimeError:
                pass  # Pillow knows more kinds, and says what is wrong with others.
        pixels = torch.from_numpy(np.array(image.convert("RGB")))
        return Decoded(pixels.permute(2, 0, 1), by_pillow=True)


def _scaled_down(image: Image.Image, side: int | None) -> bool:
    """Let a large JPEG be decoded to a smaller size; return whether it will be."""
    if side is None or min(image.size) < LARGE:
        return False
    scale = next((by for by in SCALES if min(image.size) >= by * MARGIN * side), None)
    if scale is None:
        return False
    image.draft(None, (image.width // scale, image.height // scale))
    return True


def silence_libraries() -> None:
    """Keep this process's libraries from writing to the terminal; Python still does.

    libjpeg tells there what it finds damaged in an image, but not in which one. It is for workers:
    a web pool would fill the log of their job.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
