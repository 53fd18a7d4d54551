"""Shards of pictures that are as costly to decode as photographs."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = [
    "a",
    "the",
    "of",
    "in",
    "with",
    "and",
    "photo",
    "image",
    "stock",
    "vector",
    "illustration",
    "red",
    "blue",
    "black",
    "white",
    "vintage",
    "home",
    "wedding",
    "dress",
    "cat",
    "dog",
    "car",
    "street",
    "beach",
    "London",
    "2019",
    "free",
    "shipping",
    "best",
    "10",
    "-",
    "|",
    "New",
    "York",
    "City",
]


def picture(side: int, seed: int) -> Image.Image:
    """Return a square RGB picture whose spectrum falls as that of photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = 1
    layers = np.fft.ifft2(np.fft.fft2(rng.normal(size=(4, side, side))) / frequency).real
    layers /= layers.std(axis=(1, 2), keepdims=True)
    colours = 128 + 50 * (0.8 * layers[:1] + 0.3 * layers[1:])
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def encoded(side: int, kind: str, count: int) -> list[bytes]:
    """Return pictures as contents of files."""
    contents = []
    for seed in range(count):
        content = io.BytesIO()
        picture(side, seed).save(content, kind, quality=90)
        contents.append(content.getvalue())
    return contents


def make_shard(path: Path, images: Sequence[bytes]) -> list[str]:
    """Write a shard of JPEGs as img2dataset does, with captions and metadata; return its keys."""
    rng = np.random.default_rng(0)
    keys = [f"{number:09d}" for number in range(len(images))]
    with tarfile.open(path, "w") as tar:
        for key, image in zip(keys, images, strict=True):
            caption = " ".join(rng.choice(WORDS, rng.integers(4, 16))).encode()
            metadata = b'{"caption": "' + caption + b'", "status": "success"}'
            for suffix, content in (("jpg", image), ("json", metadata), ("txt", caption)):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return keys
