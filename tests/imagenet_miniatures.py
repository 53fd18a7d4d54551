"""ImageNet and its shifts on a small scale: the same layouts, few classes, few images."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import scipy.io
from PIL import Image
from timm.data import ImageNetInfo

WORDNET_IDS = ImageNetInfo("imagenet-1k").label_names()
CLASSES = (0, 1, 207, 409, 530, 999)
"""Indices of ImageNet classes; 409 and 530 are clocks, one object for ObjectNet."""
SHARED = (0, 409, 999)
"""Classes of the sets that have only some of ImageNet's."""
OBJECTS = {"alarm_clock": ("Alarm clock", (409, 530)), "toilet_paper": ("Toilet paper", (999,))}
ONLY_OBJECTNET = {"basket": "Basket"}
FLAT = "ILSVRC2012_val_{number:08d}.JPEG"


def picture(path: Path, seed: int, border: int = 0) -> None:
    """Write an image of its own; with a red border if asked for."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(small).resize((24 + 2 * border, 24 + 2 * border)))
    if border:
        frame = np.ones(pixels.shape[:2], dtype=bool)
        frame[border:-border, border:-border] = False
        pixels[frame] = (255, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def by_wordnet_id(root: Path, classes: Sequence[int], images: int, seed: int) -> Path:
    """Make folders by WordNet id."""
    for index in classes:
        for number in range(images):
            name = f"{WORDNET_IDS[index]}_{number}.JPEG"
            picture(root / WORDNET_IDS[index] / name, seed + 100 * index + number)
    (root / "README.txt").write_text("What such a data set says of itself.")
    return root


def v2(root: Path, images: int) -> Path:
    """Make folders 0 to 999, those of CLASSES."""
    for index in CLASSES:
        for number in range(images):
            picture(root / str(index) / f"{number:040x}.jpeg", 7 + 100 * index + number)
    return root


def flat_validation(root: Path, images: int) -> dict[str, int]:
    """Make images in one folder, their classes mixed; return the class of each."""
    truth = {}
    for number in range(1, len(CLASSES) * images + 1):
        name = FLAT.format(number=number)
        picture(root / name, 3 + number)
        truth[name] = CLASSES[number * 5 % len(CLASSES)]
    return truth


def solution(path: Path, truth: dict[str, int]) -> Path:
    """Write a ground truth as the competition's site ships it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("ImageId", "PredictionString"))
        for name, index in reversed(truth.items()):
            rows.writerow((Path(name).stem, f"{WORDNET_IDS[index]} 10 20 300 400 "))
    return path


def development_kit(folder: Path, truth: dict[str, int]) -> Path:
    """Write a ground truth as the development kit ships it; it has an order of its own."""
    folder.mkdir(parents=True)
    order = list(reversed(WORDNET_IDS))
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    # Above the 1,000 classes it also lists the nodes of the hierarchy.
    rows = [(number, name, "x") for number, name in enumerate([*order, "n00001740"], start=1)]
    scipy.io.savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=fields)[:, None]})
    path = folder / "ILSVRC2012_validation_ground_truth.txt"
    numbers = [order.index(WORDNET_IDS[truth[name]]) + 1 for name in sorted(truth)]
    path.write_text("".join(f"{number}\n" for number in numbers), encoding="utf-8")
    return path


def objectnet(root: Path, images: int) -> Path:
    """Make ObjectNet: folders and mappings of its own, a red border around each image."""
    names = [f"name {index}, of a class" for index in range(len(WORDNET_IDS))]
    for position, folder in enumerate([*OBJECTS, *ONLY_OBJECTNET]):
        for number in range(images):
            picture(root / "images" / folder / f"{number}.png", 11 + 50 * position + number, 2)
    mappings = root / "mappings"
    mappings.mkdir()
    labels = {folder: label for folder, (label, _) in OBJECTS.items()} | ONLY_OBJECTNET
    overlap = {label: "; ".join(names[index] for index in of) for label, of in OBJECTS.values()}
    lines = {str(index): len(names) - 1 - index for index in range(len(names))}
    for name, values in (
        ("folder_to_objectnet_label", labels),
        ("objectnet_to_imagenet_1k", overlap),
        ("pytorch_to_imagenet_2012_id", lines),
    ):
        (mappings / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    text = "".join(f"{name}\n" for name in reversed(names))
    (mappings / "imagenet_to_label_2012_v2").write_text(text, encoding="utf-8")
    return root


@dataclass(frozen=True)
class Miniature:
    """A data set as it ships: what it is, where it lies, what its images are.

    Attributes:
        variant: What the study calls it.
        root: Its folder.
        ground_truth: The file that says it where folders do not.
        classes: Class names with their ImageNet indices, in the order of labels.
        images: By path below the root, the label.
        border: Pixels on each side that are not of the image.
    """

    variant: str
    root: Path
    ground_truth: Path | None
    classes: tuple[tuple[str, tuple[int, ...]], ...]
    images: dict[str, int]
    border: int = 0

    def picture(self, path: str) -> Image.Image:
        """Read an image from its original file."""
        with Image.open(self.root / path) as image:
            edge = self.border
            return image.convert("RGB").crop((edge, edge, image.width - edge, image.height - edge))


LAYOUTS = ("val_flat", "val_folders", "sketch", "a", "r", "v2", "objectnet")


def miniature(layout: str, folder: Path, images: int) -> Miniature:
    """Make a data set in one of LAYOUTS, with so many images of each class."""
    variant, root = layout.partition("_")[0], folder / layout
    if layout == "objectnet":
        objectnet(root, images)
        labels = {
            f"images/{name}/{number}.png": label
            for label, name in enumerate(OBJECTS)
            for number in range(images)
        }
        return Miniature(variant, root, None, tuple(OBJECTS.values()), labels, border=2)
    indices = SHARED if layout in ("a", "r") else CLASSES
    classes = tuple((open_clip.IMAGENET_CLASSNAMES[index], (index,)) for index in indices)
    if layout == "val_flat":
        truth = flat_validation(root, images)
        path = solution(folder / "LOC_val_solution.csv", truth)
        labels = {name: indices.index(index) for name, index in truth.items()}
        return Miniature(variant, root, path, classes, labels)
    if layout == "v2":
        v2(root, images)
        names = [str(index) for index in indices]
    else:
        by_wordnet_id(root, indices, images, seed=len(layout))
        names = [WORDNET_IDS[index] for index in indices]
    labels = {
        f"{name}/{path.name}": label
        for label, name in enumerate(names)
        for path in (root / name).iterdir()
    }
    return Miniature(variant, root, None, classes, labels)
