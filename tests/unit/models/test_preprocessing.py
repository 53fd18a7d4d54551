"""Preprocessing in uint8: the libraries' own within rounding, or the libraries' own."""

import io
import logging
from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import timm.data
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from pictures import encoded, picture
from PIL import Image
from torchvision import transforms

from gapmatch.data.decoding import decode_image
from gapmatch.models.clip_models import Preprocess
from gapmatch.models.preprocessing import preprocessing

SIZES = [(256, 256), (341, 256), (256, 700), (64, 48), (1, 5), (900, 1200)]


def open_clips() -> set[tuple[tuple[str, Any], ...]]:
    """The preprocessing of all published weights of open_clip."""
    found = set()
    for model, tag in open_clip.list_pretrained():
        size = open_clip.get_model_config(model)["vision_cfg"].get("image_size", 224)
        told = open_clip.get_pretrained_cfg(model, tag)
        config = merge_preprocess_dict({"size": size}, told)
        hashable = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
        }
        found.add(tuple(sorted(hashable.items())))
    return found


TIMMS = {
    "center": {"crop_mode": "center", "crop_pct": 0.875, "interpolation": "bicubic"},
    "bilinear": {"crop_mode": "center", "crop_pct": 0.95, "interpolation": "bilinear"},
    "squash": {"crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bicubic"},
    "border": {"crop_mode": "border", "crop_pct": 0.9, "interpolation": "bicubic"},
}


def own_input(preprocess: Preprocess, data: bytes) -> torch.Tensor:
    return preprocess(decode_image(data))


def fast_input(preprocess: Preprocess, data: bytes) -> torch.Tensor:
    fast = preprocessing("a model", preprocess)
    pixels = fast.read(data).pixels
    assert fast.normalization
    assert pixels.dtype == torch.uint8
    out = torch.empty(1, *pixels.shape)
    fast.write(pixels[None], out)
    return out[0]


def require_near(preprocess: Any, size: tuple[int, int], kind: str, **options: int) -> None:
    """Require inputs that differ by what rounding explains, in levels of 255.

    Of a tall image Pillow scales the height first, torchvision the width: where bicubic overshoots
    white or black at hard edges, single pixels differ by more.
    """
    data = encoded(picture(*size), kind, **options)
    std = torch.as_tensor(preprocess.transforms[-1].std).view(3, 1, 1)
    levels = (fast_input(preprocess, data) - own_input(preprocess, data)) * std * 255
    assert levels.square().mean().sqrt() < 0.6
    assert levels.abs().max() < (9 if max(size) > 2 * min(size) else 2.01)


@pytest.mark.parametrize("config", sorted(open_clips(), key=str), ids=str)
def test_every_model_of_open_clip(config: tuple[tuple[str, Any], ...]) -> None:
    preprocess = image_transform_v2(PreprocessCfg(**dict(config)), is_train=False)
    for size in [(341, 256), (256, 700), (64, 48)]:
        require_near(preprocess, size, "JPEG", quality=90)


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("side", [64, (48, 64)])
@pytest.mark.parametrize("size", SIZES)
def test_modes_of_open_clip(
    resize_mode: str, interpolation: str, side: int | tuple[int, int], size: tuple[int, int]
) -> None:
    config = PreprocessCfg(
        size=side, resize_mode=resize_mode, interpolation=interpolation, fill_color=77
    )
    preprocess = image_transform_v2(config, is_train=False)
    require_near(preprocess, size, "PNG")


@pytest.mark.parametrize("name", TIMMS)
@pytest.mark.parametrize("side", [64, (48, 64)])
@pytest.mark.parametrize("size", SIZES)
def test_modes_of_timm(name: str, side: int | tuple[int, int], size: tuple[int, int]) -> None:
    height, width = (side, side) if isinstance(side, int) else side
    preprocess = timm.data.create_transform((3, height, width), is_training=False, **TIMMS[name])
    require_near(preprocess, size, "PNG")


def test_an_image_of_which_nothing_is_left_is_refused_as_before() -> None:
    config = PreprocessCfg(size=48, resize_mode="longest")
    preprocess = image_transform_v2(config, is_train=False)
    data = encoded(picture(100, 1), "PNG")
    with pytest.raises(ValueError, match="height and width must be > 0"):
        own_input(preprocess, data)
    with pytest.raises(ValueError, match="height and width must be > 0"):
        fast_input(preprocess, data)


def without_end() -> Any:
    return transforms.Compose([transforms.Resize(32), transforms.ToTensor()])


def with_a_step() -> Any:
    end = [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
    return transforms.Compose([transforms.CenterCrop(32), transforms.RandomInvert(1.0), *end])


def with_lanczos() -> Any:
    return timm.data.create_transform(32, is_training=False, interpolation="lanczos")


def a_function() -> Any:
    return lambda image: without_end()(image.resize((40, 40)))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (without_end, "does not end with ToTensor and Normalize"),
        (with_a_step, "RandomInvert"),
        (with_lanczos, "lanczos"),
        (a_function, "function is no list of steps"),
    ],
)
def test_what_is_not_known_takes_the_own_transform(
    make: Callable[[], Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    preprocess = make()
    data = encoded(picture(60, 60), "JPEG")
    with caplog.at_level(logging.WARNING):
        own = preprocessing("a model", preprocess)
    assert "a model: using the library's own, slower preprocessing" in caplog.text
    assert told in caplog.text
    pixels = own.read(data).pixels
    out = torch.empty(1, *pixels.shape)
    own.write(pixels[None], out)
    assert torch.equal(out[0], preprocess(Image.open(io.BytesIO(data))))


@pytest.fixture(scope="module")
def architecture() -> tuple[torch.nn.Module, Any]:
    torch.manual_seed(0)
    network, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", load_weights=False)
    return network.eval(), preprocess


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@torch.no_grad()
def test_embeddings_are_those_of_the_own_preprocessing(
    architecture: tuple[torch.nn.Module, Any], kind: str
) -> None:
    """With the large ones among them that are scaled while they are decoded."""
    network, preprocess = architecture
    sizes = [(256, 256), (341, 256), (640, 480)] + [(1800, 1792)] * (kind == "JPEG")
    contents = [encoded(picture(*size, seed=1), kind, quality=90) for size in sizes]
    features = [
        torch.nn.functional.normalize(
            network.encode_image(torch.stack([make(preprocess, one) for one in contents])).double()
        )
        for make in (own_input, fast_input)
    ]
    cosines = (features[0] * features[1]).sum(dim=1)
    assert cosines.min() >= 0.99999
