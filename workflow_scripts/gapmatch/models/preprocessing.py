"""A model's preprocessing of images, split in two: pixels in a worker, numbers on the device.

The libraries' own transforms scale with Pillow and hand on float32. The same steps on uint8 tensors
take less time and a quarter of the memory, and differ by rounding: docs/method.md says by how much,
docs/performance.md how far embeddings move.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import open_clip.transform
import timm.data.transforms
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from gapmatch.data.fast_decoding import Decoded, OwnTransform, ReadImage, decode_pixels
from gapmatch.models.clip_models import Preprocess

logger = logging.getLogger(__name__)

Step = Callable[[torch.Tensor], torch.Tensor]

INTERPOLATIONS = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
"""What torchvision computes in uint8."""
RATIO_KEEPING = (open_clip.transform.ResizeKeepRatio, timm.data.transforms.ResizeKeepRatio)
CROPPING_OR_PADDING = (open_clip.transform.CenterCropOrPad, timm.data.transforms.CenterCropOrPad)
CONVERTING = (open_clip.transform.MaybeConvertMode,)
TO_TENSOR = (
    transforms.ToTensor,
    open_clip.transform.MaybeToTensor,
    timm.data.transforms.MaybeToTensor,
)
CACHED = 4
"""Images that a CPU normalises at a time: they stay in its cache."""


@dataclass(frozen=True)
class Normalization:
    """What turns pixels into a model's input: (x / 255 - mean) / std.

    Attributes:
        mean: (3,) float32.
        std: (3,) float32.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def write(self, pixels: torch.Tensor, out: torch.Tensor) -> None:
        """Normalise images.

        Args:
            pixels: (n, 3, h, w) uint8.
            out: Output: (n, 3, h, w) float32, on the same device.
        """
        # (x - 255 mean) / (255 std): a CPU multiplies faster than it divides.
        shift = (255 * self.mean)[:, None, None].to(out.device)
        scale = (1 / (255 * self.std))[:, None, None].to(out.device)
        at_once = CACHED if out.device.type == "cpu" else max(1, len(out))
        for first in range(0, len(out), at_once):
            part, target = (images[first : first + at_once] for images in (pixels, out))
            target.copy_(part).sub_(shift).mul_(scale)


@dataclass(frozen=True)
class Preprocessing:
    """How the bytes of an image become the input of a model.

    Attributes:
        read: In a worker: the content of an image's file to (3, h, w), uint8; or float32, by the
            library's own transform.
        normalization: On the device: uint8 to float32; None where ``read`` gives float32.
    """

    read: ReadImage
    normalization: Normalization | None

    def write(self, pixels: torch.Tensor, out: torch.Tensor) -> None:
        """Write what ``read`` gave of n images as the model's input, (n, 3, h, w) float32."""
        if self.normalization:
            self.normalization.write(pixels, out)
        else:
            out.copy_(pixels)


@dataclass(frozen=True)
class FastRead:
    """Decodes an image to a tensor and takes the steps of a transform on it, all in uint8.

    Attributes:
        steps: What is done with (3, h, w).
        side: The longer side of the result, pixels.
    """

    steps: tuple[Step, ...]
    side: int

    def __call__(self, data: bytes) -> Decoded:
        """Decode an image and transform it.

        Raises:
            ValueError: As ``decoding.decode_image`` does.
        """
        decoded = decode_pixels(data, self.side)
        pixels = decoded.pixels
        for step in self.steps:
            pixels = step(pixels)
        return Decoded(pixels, decoded.by_pillow)


class NotReproducedError(Exception):
    """A transform has a step that is not known on tensors."""


def preprocessing(name: str, preprocess: Preprocess) -> Preprocessing:
    """Return a model's preprocessing in uint8, or its own where it has a step that is not known.

    Args:
        name: The model, for the log.
        preprocess: Its transform, as open_clip or timm make it for evaluation.
    """
    try:
        steps, normalization = split(preprocess, evaluation_step)
    except NotReproducedError as error:
        logger.warning("%s: using the library's own, slower preprocessing: %s", name, error)
        return Preprocessing(OwnTransform(preprocess), None)
    side = max(preprocess(Image.new("RGB", (1, 1))).shape[1:])
    return Preprocessing(FastRead(steps, side), normalization)


def split(
    transform: Any, known: Callable[[Any], Step | None]
) -> tuple[tuple[Step, ...], Normalization]:
    """Split a transform into steps on uint8 tensors and the normalization that ends it.

    Args:
        transform: PIL image to (3, h, w) float32.
        known: Returns the step on tensors that does what one on PIL images does, if there is one.

    Raises:
        NotReproducedError: A step is not known.
    """
    if type(transform) is not transforms.Compose or len(transform.transforms) < 2:
        raise NotReproducedError(f"{type(transform).__name__} is no list of steps")
    *steps, to_tensor, normalize = transform.transforms
    if type(to_tensor) not in TO_TENSOR or type(normalize) is not transforms.Normalize:
        raise NotReproducedError("it does not end with ToTensor and Normalize")
    mean, std = (torch.as_tensor(one).float() for one in (normalize.mean, normalize.std))
    on_tensors = []
    for step in steps:
        if type(step) in CONVERTING:  # to RGB, which a decoded image is
            continue
        on_tensor = known(step)
        if on_tensor is None:
            raise NotReproducedError(f"its step {step} is not known on tensors")
        on_tensors.append(on_tensor)
    return tuple(on_tensors), Normalization(mean, std)


def evaluation_step(step: Any) -> Step | None:
    """Return what does on a tensor what a step of an evaluation does on a PIL image."""
    if type(step) is transforms.Resize and step.interpolation in INTERPOLATIONS:
        return partial(
            functional.resize,
            size=[step.size] if isinstance(step.size, int) else list(step.size),
            interpolation=step.interpolation,
            max_size=step.max_size,
            antialias=True,  # Pillow always does
        )
    if type(step) is transforms.CenterCrop:
        return partial(functional.center_crop, output_size=list(step.size))
    if type(step) in RATIO_KEEPING and not step.random_scale_prob + step.random_aspect_prob:
        if step.interpolation not in INTERPOLATIONS:
            return None
        return partial(
            resize_keeping_ratio,
            size=step.size,
            longest=step.longest,
            interpolation=step.interpolation,
        )
    if type(step) in CROPPING_OR_PADDING:
        return partial(center_crop_or_pad, size=step.size, fill=step.fill)
    return None


def resize_keeping_ratio(
    pixels: torch.Tensor,
    size: tuple[int, int],
    longest: float,
    interpolation: InterpolationMode,
) -> torch.Tensor:
    """Scale an image as ``ResizeKeepRatio`` of open_clip and timm does.

    Args:
        pixels: (3, h, w) uint8.
        size: Height and width that are aimed at.
        longest: 1 makes the image fit in, 0 makes it fill them.
        interpolation: Kind of interpolation.

    Raises:
        ValueError: The image is so elongated that nothing of its shorter side is left.
    """
    ratios = [given / wanted for given, wanted in zip(pixels.shape[1:], size, strict=True)]
    ratio = max(ratios) * longest + min(ratios) * (1 - longest)
    scaled = [round(given / ratio) for given in pixels.shape[1:]]
    if min(scaled) < 1:
        raise ValueError("height and width must be > 0")  # as Pillow says it
    resized: torch.Tensor = functional.resize(pixels, scaled, interpolation, antialias=True)
    return resized


def center_crop_or_pad(
    pixels: torch.Tensor, size: tuple[int, int], fill: int | list[int]
) -> torch.Tensor:
    """Crop the centre of an image, or fill up around it.

    Args:
        pixels: (3, h, w) uint8.
        size: Height and width of the result.
        fill: Colour.
    """
    missing = [max(0, wanted - given) for wanted, given in zip(size, pixels.shape[1:], strict=True)]
    top, left = (one // 2 for one in missing)
    bottom, right = ((one + 1) // 2 for one in missing)
    padded = functional.pad(pixels, [left, top, right, bottom], fill=fill)
    cropped: torch.Tensor = functional.center_crop(padded, list(size))
    return cropped
