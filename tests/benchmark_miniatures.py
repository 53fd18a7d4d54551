"""Test sets in the layouts that the community shares them in, on a small scale."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import webdataset
from PIL import Image

CLASS_NAMES = ["annual crop land", "forest", "sea or lake"]
TEMPLATES = ["a satellite photo of {c}.", "a blurry satellite photo of {c}."]
DOMAINNET_CLASSES = {0: "aircraft_carrier", 3: "The_Eiffel_Tower", 7: "zebra"}


def picture(rng: np.random.Generator) -> Image.Image:
    """Return an image of a few large patches."""
    pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((24, 24))


def clip_benchmark(
    root: Path,
    split: str = "test",
    labels: Sequence[int] = (0, 1, 2) * 4,
    per_shard: int = 5,
    extension: str = "webp",
    seed: int = 0,
) -> dict[str, tuple[Image.Image, int]]:
    """Write a split of a data set as CLIP_benchmark does; return its images and labels by key."""
    rng = np.random.default_rng(seed)
    folder = root / split
    folder.mkdir(parents=True)
    made = {}
    formats = {"webp": {"format": "WEBP", "lossless": True}, "png": {"format": "PNG"}}
    with webdataset.ShardWriter(f"{folder}/%d.tar", maxcount=per_shard, verbose=0) as sink:
        for number, label in enumerate(labels):
            image, content = picture(rng), io.BytesIO()
            image.save(content, **formats.get(extension, {"format": "JPEG", "quality": 95}))
            sink.write(
                {"__key__": f"s{number:07d}", extension: content.getvalue(), "cls": int(label)}
            )
            made[f"s{number:07d}"] = Image.open(content).convert("RGB"), int(label)
    shards = len(list(folder.glob("*.tar")))
    (folder / "nshards.txt").write_text(f"{shards}\n")
    (root / "classnames.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    (root / "zeroshot_classification_templates.txt").write_text("\n".join(TEMPLATES) + "\n")
    return made


def multilabel(
    root: Path, images: int = 12, per_shard: int = 5
) -> dict[str, tuple[Image.Image, list[int]]]:
    """Write a data set of images that show several classes; return images and labels by key."""
    rng = np.random.default_rng(3)
    folder = root / "test"
    folder.mkdir(parents=True)
    made = {}
    with webdataset.ShardWriter(f"{folder}/%d.tar", maxcount=per_shard, verbose=0) as sink:
        for number in range(images):
            image, content = picture(rng), io.BytesIO()
            image.save(content, "PNG")
            shown = (rng.random(len(CLASS_NAMES)) < 0.5).astype(np.float32)
            key = f"s{number:07d}"
            sink.write({"__key__": key, "png": content.getvalue(), "npy": shown})
            made[key] = image, np.flatnonzero(shown).tolist()
    shards = len(list(folder.glob("*.tar")))
    (folder / "nshards.txt").write_text(f"{shards}\n")
    (root / "classnames.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    (root / "dataset_type.txt").write_text("multilabel\n")
    return made


def domainnet(root: Path, domain: str = "sketch", images: int = 3) -> dict[str, int]:
    """Write a domain of DomainNet with its lists; return the labels of its test images."""
    rng = np.random.default_rng(1)
    lists: dict[str, dict[str, int]] = {"train": {}, "test": {}}
    for label, name in DOMAINNET_CLASSES.items():
        for number in range(2 * images):
            path = f"{domain}/{name}/{domain}_{label:03d}_{number:06d}.jpg"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            picture(rng).save(root / path)
            lists["test" if number < images else "train"][path] = label
    for split, found in lists.items():
        lines = "".join(f"{path} {label}\n" for path, label in found.items())
        (root / f"{domain}_{split}.txt").write_text(lines)
    return lists["test"]


def retrieval(
    root: Path, captions: Sequence[int] = (2, 1, 3, 2, 5, 1), per_shard: int = 4
) -> dict[str, tuple[Image.Image, list[str]]]:
    """Write a data set of images with captions; return its images and captions by key.

    Args:
        root: Its folder.
        captions: Number of captions of each image.
        per_shard: Images of a shard at most.
    """
    rng = np.random.default_rng(2)
    folder = root / "test"
    folder.mkdir(parents=True)
    made = {}
    with webdataset.ShardWriter(f"{folder}/%d.tar", maxcount=per_shard, verbose=0) as sink:
        for number, count in enumerate(captions):
            image, content = picture(rng), io.BytesIO()
            image.save(content, "PNG")
            texts = [f"patches {number}, told in way {way}" for way in range(count)]
            sink.write(
                {"__key__": f"s{number:07d}", "png": content.getvalue(), "txt": "\n".join(texts)}
            )
            made[f"s{number:07d}"] = image, texts
    shards = len(list(folder.glob("*.tar")))
    (folder / "nshards.txt").write_text(f"{shards}\n")
    (root / "dataset_type.txt").write_text("retrieval\n")
    return made
