"""What open_clip_train's loader yields: images in uint8, normalised where the model is.

open_clip scales images with Pillow and passes float32 between processes. Here workers decode and
crop on uint8 tensors, as ``models.preprocessing`` does.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import torch
from torch.utils.data import get_worker_info
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from gapmatch.data.fast_decoding import OwnTransform, silence_libraries
from gapmatch.data.image_extensions import IMAGE_EXTENSIONS
from gapmatch.data.shard_samples import caption_of, image_of
from gapmatch.models.clip_models import Preprocess
from gapmatch.models.preprocessing import (
    INTERPOLATIONS,
    FastRead,
    NotReproducedError,
    Preprocessing,
    Step,
    split,
)
from gapmatch.running.process_lifetime import end_with_parent
from gapmatch.train.stalled_workers import Watch
from gapmatch.train.streaming import TrainingShard, kept_samples
from gapmatch.train.training_log import SKIPPED

logger = logging.getLogger(__name__)

TRIES = 10
"""Of parts that may not fit into the image."""


@dataclass(frozen=True)
class RandomCrop:
    """Cuts a random part out of an image and scales it, as RandomResizedCrop of torchvision does.

    The distribution is the same, the draws are not: torchvision takes up to 20 of one number each,
    which cost as much as the scaling.

    Attributes:
        size: Height and width of the result.
        scale: Smallest and largest share of the image's area.
        ratio: Smallest and largest aspect ratio, width to height.
        interpolation: Kind of interpolation.
    """

    size: Sequence[int]
    scale: Sequence[float]
    ratio: Sequence[float]
    interpolation: InterpolationMode

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Crop (3, h, w) uint8."""
        part = self.part(*pixels.shape[1:])
        cropped: torch.Tensor = functional.resized_crop(
            pixels, *part, list(self.size), self.interpolation, antialias=True
        )
        return cropped

    def part(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Draw a part of an image: top, left, height and width, pixels."""
        draws = torch.rand(2 * TRIES + 2, dtype=torch.float64).tolist()
        across, down = draws.pop(), draws.pop()
        low, high = (math.log(bound) for bound in self.ratio)
        for of_scale, of_ratio in zip(draws[::2], draws[1::2], strict=True):
            area = height * width * (self.scale[0] + of_scale * (self.scale[1] - self.scale[0]))
            ratio = math.exp(low + of_ratio * (high - low))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(down * (height - h + 1)), int(across * (width - w + 1)), h, w
        # None fits: the middle, as near to the image's own ratio as allowed.
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
        return (height - h) // 2, (width - w) // 2, h, w


def training_step(step: Any) -> Step | None:
    """Return what does on a tensor what a step of a training's transform does on a PIL image."""
    if type(step) is transforms.RandomResizedCrop and step.interpolation in INTERPOLATIONS:
        return RandomCrop(step.size, step.scale, step.ratio, step.interpolation)
    return None


def training_preprocessing(transform: Preprocess) -> Preprocessing:
    """Return the preprocessing of a training in uint8, or open_clip's own where it is another.

    Args:
        transform: What open_clip makes for the training of a model.
    """
    try:
        steps, normalization = split(transform, training_step)
        crops = [step for step in steps if isinstance(step, RandomCrop)]
        if len(crops) != 1:
            raise NotReproducedError(f"it crops {len(crops)} times")
    except NotReproducedError as error:
        logger.warning("using open_clip's own, slower transform: %s", error)
        return Preprocessing(OwnTransform(transform), None)
    side = math.ceil(max(crops[0].size) / math.sqrt(crops[0].scale[0]))
    return Preprocessing(FastRead(steps, side), normalization)


def trainable_samples(
    sources: Iterable[Mapping[str, str]], shards: Sequence[TrainingShard], watch: Watch
) -> Iterator[dict[str, Any]]:
    """Yield the samples of shards that have an image and a caption; log each that has not.

    It stands in the place of open_clip's reader of tars, whose ``pipe:`` sources start a program
    for each shard and epoch.

    Args:
        sources: The shards' positions in ``shards``, each as a "url".
        shards: All shards of the training set.
        watch: Is told of each step of the reading.

    Raises:
        InputError: A shard cannot be read to its end, or has other samples than it had.
    """
    if get_worker_info():
        end_with_parent()  # torch's workers look for their parent between samples only
        silence_libraries()
    for source in sources:
        shard = shards[int(source["url"])]
        watch.reads(shard.tar)
        for sample in kept_samples(shard, watch.progresses):
            try:
                if sample.reason:
                    raise ValueError(sample.reason)
                extension, image = image_of(sample.members)
                caption = caption_of(sample.members)
            except ValueError as error:
                log_skipped(sample.key, shard.tar, error)
                continue
            watch.waits()
            yield {
                "__key__": sample.key,
                "__url__": str(shard.tar),
                extension: image,
                "txt": caption,
            }
            watch.reads(shard.tar)
        watch.waits()


def log_skipped(key: str, tar: object, error: ValueError) -> None:
    """Log a sample that cannot be used; ``training_log`` counts these lines."""
    logging.warning("%s %s of %s: %s", SKIPPED, key, tar, error)


class TrainingInput:
    """Images of a training in one process, and how many of them there were.

    Attributes:
        preprocessing: How they are read; known when the model is made.
        images: How many were read.
        by_pillow: How many of them Pillow decoded.
    """

    preprocessing: Preprocessing

    def __init__(self) -> None:
        self.images = self.by_pillow = 0

    def decoded(self, samples: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield samples with the image decoded and cropped; log each that is no image.

        It stands in the place of webdataset's decoder.
        """
        for sample in samples:
            extension = next(name for name in IMAGE_EXTENSIONS if name in sample)
            try:
                image = self.preprocessing.read(sample[extension])
            except ValueError as error:
                log_skipped(sample["__key__"], sample["__url__"], error)
                continue
            self.images += 1
            self.by_pillow += image.by_pillow
            yield {**sample, extension: image.pixels}

    def normalising(self, train_one_epoch: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that trains an epoch on what the loader yields, normalised.

        Args:
            train_one_epoch: open_clip_train's function of a model, the data and more.
        """

        def normalised(model: Any, data: Any, *others: Any, **options: Any) -> Any:
            device = next(model.parameters()).device
            loader = NormalisedBatches(data["train"].dataloader, self.preprocessing, device)
            there = {**data, "train": replace(data["train"], dataloader=loader)}
            return train_one_epoch(model, there, *others, **options)

        return normalised


class NormalisedBatches:
    """A loader's batches on the device, as the model takes them.

    Args:
        loader: Yields pairs of images and tokens.
        preprocessing: How the images were read.
        device: Where the model is.
    """

    def __init__(self, loader: Any, preprocessing: Preprocessing, device: torch.device) -> None:
        self.loader, self.preprocessing, self.device = loader, preprocessing, device
        self.num_batches, self.num_samples = loader.num_batches, loader.num_samples

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pairs (n, 3, h, w) float32 and tokens; a batch is overwritten by the next but one.

        Fresh memory for each batch would cost a CPU more time than the normalising. open_clip_train
        keeps batches only where it accumulates gradients over several, which the workflow never
        asks for.
        """
        used = cycle([torch.empty(0, device=self.device) for _ in range(2)])
        for (images, tokens), inputs in zip(self.loader, used, strict=False):
            pixels = images.to(self.device, non_blocking=True)
            self.preprocessing.write(pixels, inputs.resize_(pixels.shape))
            yield inputs, tokens
