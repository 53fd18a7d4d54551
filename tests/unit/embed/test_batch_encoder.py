"""Batches: what comes of an image does not depend on the others of its batch."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, picture

from gapmatch.embed.batch_encoder import LEAST_ROWS, BatchEncoder
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.models.preprocessing import preprocessing

CPU = torch.device("cpu")
ROUNDING = 2e-6
"""Libraries multiply matrices of other shapes in other ways, on some processors."""


def transformer() -> Any:
    return open_clip.create_model("ViT-S-32", load_weights=False, force_image_size=64).encode_image


def convolutions() -> Any:
    return timm.create_model("test_resnet", num_classes=64)


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    """(48, 3, 64, 64) uint8."""
    read = preprocessing("", open_clip.image_transform(64, is_train=False)).read
    contents = [encoded(picture(64, 64, seed), "JPEG") for seed in range(48)]
    return torch.stack([read(content).pixels for content in contents])


@pytest.fixture(scope="module", params=[transformer, convolutions])
def encoder(request: pytest.FixtureRequest) -> ImageEncoder:
    torch.manual_seed(0)
    encode = request.param()
    getattr(encode, "__self__", encode).eval()
    preprocess = open_clip.image_transform(64, is_train=False)
    return ImageEncoder("", {}, preprocessing("", preprocess), encode, CPU)


def encode_all(encoder: ImageEncoder, pixels: torch.Tensor, sizes: list[int]) -> np.ndarray:
    """Encode images in batches of these sizes, added in parts; return features of length 1."""
    batches = BatchEncoder(encoder, 48)
    found, first = [], 0
    for size in sizes:
        for part in pixels[first : first + size].split(5):
            batches.add(part)
        found.append(batches.fetch(batches.encode()))
        first += size
    features = np.concatenate(found)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_features_are_the_models(encoder: ImageEncoder, pixels: torch.Tensor) -> None:
    inputs = torch.empty(pixels.shape)
    encoder.preprocessing.write(pixels, inputs)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(encoder.encode(inputs)).numpy()
    np.testing.assert_allclose(encode_all(encoder, pixels, [48]), expected, atol=1e-7)


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 47), max_size=4, unique=True))
def test_an_image_embeds_alike_in_all_batches(
    encoder: ImageEncoder, pixels: torch.Tensor, cuts: list[int]
) -> None:
    """So do copies of it, wherever they stand."""
    bounds = [0, *sorted(cuts), 48]
    sizes = [last - first for first, last in pairwise(bounds)]
    expected = encode_all(encoder, pixels, [48])
    np.testing.assert_allclose(encode_all(encoder, pixels, sizes), expected, atol=ROUNDING)
    copies = encode_all(encoder, pixels[7].expand(48, 3, 64, 64), [48])
    np.testing.assert_allclose(copies, expected[[7] * 48], atol=ROUNDING)


def test_small_batches_stay_small(encoder: ImageEncoder, pixels: torch.Tensor) -> None:
    batches = BatchEncoder(encoder, 4)
    batches.add(pixels[:3])
    assert batches.encode().inputs.shape[0] == 4
    batches = BatchEncoder(encoder, 256)
    batches.add(pixels[:3])
    assert batches.encode().inputs.shape[0] == LEAST_ROWS


def test_a_batch_without_images_has_no_features(encoder: ImageEncoder) -> None:
    batches = BatchEncoder(encoder, 4)
    batches.add(torch.empty(0, 3, 64, 64, dtype=torch.uint8))
    assert batches.fetch(batches.encode()).size == 0


def test_what_float16_cannot_hold_is_encoded_again(
    encoder: ImageEncoder, pixels: torch.Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    batches = BatchEncoder(encoder, 4)
    batches.add(pixels[:3])
    encoded_batch = batches.encode()
    expected = batches.fetch(encoded_batch)
    lost = replace(
        encoded_batch, features=torch.full((3, 64), torch.inf), finite=torch.tensor(False)
    )
    np.testing.assert_array_equal(batches.fetch(lost), expected)
    assert "beyond float16" in caplog.text
