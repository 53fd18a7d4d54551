"""ImageNet and its shifted test sets in the layouts that they ship in.

Which classes a test set has, and how its folders are named, is read from its own files; the order
of ImageNet's classes is timm's list of WordNet ids, their names are open_clip's.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
from timm.data.imagenet_info import ImageNetInfo

from gapmatch.data.imagefolder import LabelledImage, is_hidden, is_image
from gapmatch.data.imagenet_labels import read_ground_truth
from gapmatch.running.errors import InputError

WORDNET_IDS: list[str] = ImageNetInfo("imagenet-1k").label_names()  # type: ignore[no-untyped-call]
INDEX = {wordnet_id: index for index, wordnet_id in enumerate(WORDNET_IDS)}
CLASS_NAMES = open_clip.IMAGENET_CLASSNAMES
SHOWN = 5
BORDER = 2
"""ObjectNet's images have a red border of two pixels, against training on them unawares."""


@dataclass(frozen=True)
class ImageNetVariant:
    """What is known of a data set as it was published.

    Attributes:
        images: Number of images.
        classes: Number of classes.
        folders: How the folders of its classes are named, for messages.
        border: Pixels to cut off on each side.
    """

    images: int
    classes: int
    folders: str
    border: int = 0


VARIANTS = {
    "train": ImageNetVariant(1_281_167, 1000, "folders by WordNet id"),
    "val": ImageNetVariant(50_000, 1000, "folders by WordNet id, or images beside each other"),
    "sketch": ImageNetVariant(50_889, 1000, "folders by WordNet id"),
    "a": ImageNetVariant(7_500, 200, "folders by WordNet id"),
    "r": ImageNetVariant(30_000, 200, "folders by WordNet id"),
    "v2": ImageNetVariant(10_000, 1000, "folders 0 to 999"),
    "objectnet": ImageNetVariant(18_574, 113, "images/ by object, and mappings/", BORDER),
}


@dataclass(frozen=True)
class LabelledClass:
    """A class of a test set: its name, its ImageNet classes (by index), its images."""

    name: str
    indices: tuple[int, ...]
    images: tuple[Path, ...]


def list_imagenet(
    variant: str, root: Path, ground_truth: Path | None, expected: int | None
) -> tuple[list[LabelledImage], list[LabelledClass]]:
    """List the images of a data set; labels are the positions in its list of classes.

    Args:
        variant: A key of VARIANTS.
        root: The folder as it was unpacked.
        ground_truth: For val with all images in one folder: LOC_val_solution.csv, or
            ILSVRC2012_validation_ground_truth.txt with meta.mat beside it.
        expected: Number of images; None is what was published.

    Returns:
        The images by class and name, and the classes in the order of ImageNet (ObjectNet: of its
        folders' names).

    Raises:
        InputError: Folders or images are missing, or files that say what they are.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder: expected ImageNet {variant} in it")
    classes = _reader(variant, root, ground_truth)()
    images = [
        LabelledImage(path, label, one.name)
        for label, one in enumerate(classes)
        for path in one.images
    ]
    _check_number(variant, root, classes, len(images), expected)
    return images, classes


def _reader(
    variant: str, root: Path, ground_truth: Path | None
) -> Callable[[], list[LabelledClass]]:
    if variant == "objectnet":
        return lambda: objectnet_classes(root)
    if variant == "v2":
        return lambda: numbered_classes(root)
    if ground_truth:
        return lambda: flat_classes(root, ground_truth)
    return lambda: wordnet_classes(root)


def _check_number(
    variant: str, root: Path, classes: Sequence[LabelledClass], found: int, expected: int | None
) -> None:
    published = VARIANTS[variant]
    expected = expected or published.images
    if found == expected:
        return
    message = (
        f"{root} holds {found} images in {len(classes)} classes, expected {expected} of ImageNet "
        f"{variant}"
    )
    empty = [one.name for one in classes if not one.images]
    missing = published.classes - len(classes)
    if empty:
        message += f"; no image of {_some(empty)}"
    if missing > 0:
        message += f"; {missing} of {published.classes} classes have no folder"
        if published.classes == len(WORDNET_IDS):
            present = {index for one in classes for index in one.indices}
            absent = [name for index, name in enumerate(WORDNET_IDS) if index not in present]
            message += f": {_some(absent)}"
    raise InputError(
        f"{message}. Unpack it again ({published.folders}); for a part of it set `images` of its "
        "source"
    )


def _some(names: Sequence[object]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not is_hidden(path))


def _images(folder: Path) -> tuple[Path, ...]:
    """Return the images of a folder by name.

    Raises:
        InputError: One is a link that leads nowhere.
    """
    # Not iterdir: of 1.3 million files each would be asked whether it is a link.
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    images = [entry for entry in entries if is_image(Path(entry.path))]
    lost = [one.path for one in images if one.is_symlink() and not Path(one.path).exists()]
    if lost:
        raise InputError(f"{_some(lost)}: links that lead nowhere; mend or delete them")
    return tuple(Path(entry.path) for entry in images if not entry.is_dir())


def _one_class(index: int, images: tuple[Path, ...]) -> LabelledClass:
    return LabelledClass(CLASS_NAMES[index], (index,), images)


def wordnet_classes(root: Path) -> list[LabelledClass]:
    """Return the classes of folders that are named by WordNet id.

    Raises:
        InputError: A folder is no class of ImageNet, or there is none.
    """
    folders = _folders(root)
    unknown = [folder.name for folder in folders if folder.name not in INDEX]
    if unknown or not folders:
        hint = "name its ground truth" if any(map(is_image, root.iterdir())) else "check the path"
        raise InputError(
            f"{root} should hold folders named by WordNet id (n01440764, ...); "
            f"found {_some(unknown) if folders else 'no folder'}: {hint}"
        )
    return [_one_class(INDEX[folder.name], _images(folder)) for folder in folders]


def numbered_classes(root: Path) -> list[LabelledClass]:
    """Return the classes of folders named 0 to 999, ImageNet-V2's, by number.

    Raises:
        InputError: A folder has another name, or there is none.
    """
    folders = _folders(root)
    unknown = [one.name for one in folders if one.name not in map(str, range(len(WORDNET_IDS)))]
    if unknown or not folders:
        raise InputError(
            f"{root} should hold ImageNet-V2's folders 0 to 999; found "
            f"{_some(unknown) if folders else 'no folder'}: check the path"
        )
    ordered = sorted(folders, key=lambda folder: int(folder.name))
    return [_one_class(int(folder.name), _images(folder)) for folder in ordered]


def flat_classes(root: Path, ground_truth: Path) -> list[LabelledClass]:
    """Return the classes of validation images that lie in one folder.

    Raises:
        InputError: The ground truth names images that are missing, or cannot be read.
    """
    wordnet_ids = read_ground_truth(ground_truth)
    unknown = sorted(set(wordnet_ids.values()) - set(INDEX))
    if unknown:
        raise InputError(f"{ground_truth} names {_some(unknown)}, which are no classes of ImageNet")
    files = {path.stem: path for path in _images(root)}
    missing = [name for name in wordnet_ids if name not in files]
    if missing:
        raise InputError(
            f"{root} lacks {len(missing)} of the {len(wordnet_ids)} images that {ground_truth} "
            f"names: {_some(missing)}"
        )
    by_class: dict[str, list[Path]] = {}
    for name, wordnet_id in sorted(wordnet_ids.items()):
        by_class.setdefault(wordnet_id, []).append(files[name])
    present = [index for index, wordnet_id in enumerate(WORDNET_IDS) if wordnet_id in by_class]
    return [_one_class(index, tuple(by_class[WORDNET_IDS[index]])) for index in present]


def objectnet_classes(root: Path) -> list[LabelledClass]:
    """Return ObjectNet's classes that ImageNet has too, named as ObjectNet names them.

    Its mappings/ say which folder is which object, which ImageNet classes (by name) an object is,
    on which line of a list an ImageNet class stands, and which line belongs to which index.

    Raises:
        InputError: A mapping or a folder is missing, or they do not fit each other.
    """
    mappings = root / "mappings"
    try:
        labels = _read_mapping(mappings / "folder_to_objectnet_label.json")
        overlap = _read_mapping(mappings / "objectnet_to_imagenet_1k.json")
        lines = _read_mapping(mappings / "pytorch_to_imagenet_2012_id.json")
        listed = (mappings / "imagenet_to_label_2012_v2").read_text(encoding="utf-8").splitlines()
        index_of = {listed[int(line)].strip(): int(index) for index, line in lines.items()}
        indices = {
            label: tuple(index_of[name] for name in names.split("; "))
            for label, names in overlap.items()
        }
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename} is missing: ObjectNet ships it; expected {root} to hold images/ and "
            "mappings/"
        ) from None
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise InputError(f"the mappings in {mappings} do not fit each other: {error!r}") from None
    folders = {label: root / "images" / folder for folder, label in labels.items()}
    missing = [str(folders.get(label, label)) for label in indices if not _there(folders, label)]
    if missing:
        raise InputError(
            f"{root} lacks {len(missing)} of the {len(indices)} folders of classes that it shares "
            f"with ImageNet: {_some(missing)}"
        )
    return [
        LabelledClass(label, indices[label], _images(folder))
        for label, folder in sorted(folders.items(), key=lambda item: item[1].name)
        if label in indices
    ]


def _there(folders: dict[str, Path], label: str) -> bool:
    return label in folders and folders[label].is_dir()


def _read_mapping(path: Path) -> dict[str, str]:
    values = json.loads(path.read_text(encoding="utf-8"))
    return {str(key): str(value) for key, value in values.items()}
