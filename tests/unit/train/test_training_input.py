"""What a training sees: open_clip's crops in uint8, and a log of images that it cannot use."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from pictures import encoded, picture
from scipy import stats
from torchvision import transforms

from gapmatch.data.decoding import decode_image
from gapmatch.data.fast_decoding import MARGIN
from gapmatch.models.preprocessing import FastRead
from gapmatch.train.training_input import (
    NormalisedBatches,
    RandomCrop,
    TrainingInput,
    training_preprocessing,
    training_step,
)
from gapmatch.train.training_log import SKIPPED, count_skipped

TRANSFORM = open_clip.image_transform(64, is_train=True)


@pytest.mark.parametrize("size", [(256, 256), (341, 256), (64, 90), (300, 100), (1, 40), (900, 1)])
@pytest.mark.parametrize("scale", [(0.9, 1.0), (0.08, 1.0)])
def test_parts_are_distributed_as_torchvisions(
    size: tuple[int, int], scale: tuple[float, float]
) -> None:
    """Also where no part fits, and the middle is taken."""
    step = transforms.RandomResizedCrop(64, scale=scale)
    crop = training_step(step)
    assert isinstance(crop, RandomCrop)
    torch.manual_seed(0)
    image = torch.empty(3, *size, dtype=torch.uint8)
    draws = 3000
    expected = np.array([step.get_params(image, step.scale, step.ratio) for _ in range(draws)])
    found = np.array([crop.part(*size) for _ in range(draws)])
    for column in range(4):
        assert stats.ks_2samp(found[:, column], expected[:, column]).pvalue > 1e-5
    corners = found[:, :2] + found[:, 2:]
    assert (found >= [0, 0, 1, 1]).all()
    assert (corners <= size).all()


@pytest.mark.parametrize("size", [(256, 256), (341, 256), (90, 64), (256, 500), (40, 30)])
def test_a_part_is_scaled_as_open_clip_scales_it(size: tuple[int, int]) -> None:
    preprocessing = training_preprocessing(TRANSFORM)
    assert isinstance(preprocessing.read, FastRead)
    (crop,) = preprocessing.read.steps
    assert isinstance(crop, RandomCrop)
    data = encoded(picture(*size), "JPEG", quality=90)
    std = torch.tensor(TRANSFORM.transforms[-1].std).view(3, 1, 1)
    for seed in range(20):
        torch.manual_seed(seed)
        part = crop.part(*reversed(size))
        torch.manual_seed(seed)
        pixels = preprocessing.read(data).pixels
        assert pixels.dtype == torch.uint8
        out = torch.empty(1, *pixels.shape)
        preprocessing.write(pixels[None], out)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TRANSFORM.transforms[0], "get_params", lambda *_, part=part: part)
            expected = TRANSFORM(decode_image(data))
        levels = (out[0] - expected) * std * 255
        assert levels.square().mean().sqrt() < 0.6
        assert levels.abs().max() < (9 if max(size) > 1.5 * min(size) else 2.01)


def test_crops_of_large_images_are_distributed_as_open_clips() -> None:
    """A ramp tells where a crop was cut and how wide it is; the large image comes scaled."""
    side = 8 * MARGIN * 64
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    image = np.stack([*np.meshgrid(ramp, ramp), np.zeros((side, side), np.uint8)], axis=2)
    data = encoded(transforms.ToPILImage()(image), "JPEG", quality=95)
    preprocessing = training_preprocessing(TRANSFORM)
    assert preprocessing.read(data).by_pillow

    def crops(read: Any, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        found = torch.stack([read(data) for _ in range(100)]).float()
        across, down = found[:, 0].mean(dim=1), found[:, 1].mean(dim=2)
        ends = [across[:, 0], across[:, -1], down[:, 0], down[:, -1]]
        return torch.stack(ends, dim=1).numpy()

    own = transforms.Compose([TRANSFORM.transforms[0], transforms.PILToTensor()])
    expected = crops(lambda content: own(decode_image(content)), 0)
    found = crops(lambda content: preprocessing.read(content).pixels, 1)
    for column in range(4):
        assert stats.ks_2samp(found[:, column], expected[:, column]).pvalue > 1e-4


def test_a_transform_that_is_not_known_is_open_clips_own(caplog: pytest.LogCaptureFixture) -> None:
    jittering = {"color_jitter": (0.4, 0.4, 0.4, 0.1), "color_jitter_prob": 0.8}
    transform = open_clip.image_transform(32, is_train=True, aug_cfg=jittering)
    with caplog.at_level(logging.WARNING):
        preprocessing = training_preprocessing(transform)
    assert "using open_clip's own, slower transform" in caplog.text
    data = encoded(picture(50, 50), "JPEG")
    torch.manual_seed(0)
    pixels = preprocessing.read(data).pixels
    assert pixels.dtype == torch.float32
    assert preprocessing.normalization is None


def test_what_is_no_image_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    reader = TrainingInput()
    reader.preprocessing = training_preprocessing(TRANSFORM)
    contents = [
        encoded(picture(70, 70), "JPEG"),
        b"no image",
        encoded(picture(70, 70), "PNG"),
        encoded(picture(70, 70), "JPEG")[:-100],
        encoded(picture(101, 1), "PNG"),
    ]
    samples = [
        {"__key__": str(key), "__url__": "a.tar", "webp": content, "txt": "a"}
        for key, content in enumerate(contents)
    ]
    with caplog.at_level(logging.WARNING):
        found = list(reader.decoded(samples))
    assert [sample["__key__"] for sample in found] == ["0", "2"]
    assert all(sample["webp"].shape == (3, 64, 64) for sample in found)
    assert (reader.images, reader.by_pillow) == (2, 1)
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in told] == [
        f"{SKIPPED} {key} of a.tar" for key in (1, 3, 4)
    ]
    assert "truncated" in told[1]
    assert "too elongated" in told[2]
    assert count_skipped("\n".join(["Start epoch 0", *told]), 1) == 3


class Batches:
    """A loader of two batches."""

    num_batches, num_samples = 2, 6

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for shade in (0, 255):
            yield torch.full((3, 3, 2, 2), shade, dtype=torch.uint8), torch.arange(3)


def test_batches_are_normalised() -> None:
    preprocessing = training_preprocessing(TRANSFORM)
    batches = NormalisedBatches(Batches(), preprocessing, torch.device("cpu"))
    assert (batches.num_batches, batches.num_samples) == (2, 6)
    mean, std = (
        torch.tensor(one) for one in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    for shade, (images, tokens) in zip((0.0, 1.0), batches, strict=True):
        expected = ((shade - mean) / std).view(1, 3, 1, 1).expand(3, 3, 2, 2)
        torch.testing.assert_close(images, expected)
        assert torch.equal(tokens, torch.arange(3))
