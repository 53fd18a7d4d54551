"""Packing a folder of images per class, as ImageNet and its variants ship, into shards."""

import io
import json
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import polars as pl
from PIL import Image
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard, share, write_chunk
from gapmatch.data.image_extensions import IMAGE_EXTENSIONS, IMAGE_FORMATS
from gapmatch.data.shards import Members, write_shard
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.errors import InputError
from gapmatch.running.unicode_text import escaped, is_text

logger = logging.getLogger(__name__)

CLASS_NAMES = "classes.json"
IMAGES = "images.parquet"

Listed = TypeVar("Listed")
"""What is known of an image before it is read."""


@dataclass(frozen=True)
class LabelledImage:
    """An image file with its class."""

    path: Path
    label: int
    class_name: str


def is_image(path: Path) -> bool:
    """Return whether a file's name says that it is an image; hidden files are none."""
    return path.suffix.lower().removeprefix(".") in IMAGE_EXTENSIONS and not is_hidden(path)


def is_hidden(path: Path) -> bool:
    """Return whether a file or folder is hidden: editors and systems leave such ones behind."""
    return path.name.startswith(".")


def list_images(root: Path, class_names: Path | None) -> tuple[list[LabelledImage], list[str]]:
    """List the images below ``root``; labels are the positions of the sorted folders.

    Args:
        root: Holds one folder per class. What is hidden (``.ipynb_checkpoints``) is passed over.
        class_names: JSON that maps folder names to class names. Without it ROOT/classes.json
            where it exists, else the folder names with spaces for '_'.

    Returns:
        The images by folder and name, and the class names by label.

    Raises:
        InputError: There is no folder or no image, a folder has no class name, or an image is a
            link that leads nowhere.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder: expected one folder of images per class in it")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not is_hidden(path))
    unreadable = [escaped(folder.name) for folder in folders if not is_text(folder.name)]
    if unreadable:
        raise InputError(
            f"{root}: names of folders are not UTF-8: {', '.join(unreadable)}; rename them"
        )
    names = _names(root, class_names, [folder.name for folder in folders])
    images, lost, others = [], [], Counter[str]()
    for label, folder in enumerate(folders):
        # Not iterdir: of ImageNet's 1.3 million files each would be asked whether it is a link.
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if is_image(path) and not entry.is_dir():
                images.append(LabelledImage(path, label, names[label]))
                if entry.is_symlink() and not path.exists():
                    lost.append(path)
            elif not is_hidden(path):
                others["folder" if entry.is_dir() else path.suffix or "no extension"] += 1
    if others:
        kinds = ", ".join(f"{kind}: {number:,}" for kind, number in others.most_common(5))
        logger.warning("%s: %d files are no images (%s)", root, others.total(), kinds)
    if lost:
        raise InputError(
            f"{root}: {len(lost)} of {len(images)} images are links that lead nowhere, among them "
            f"{lost[0]}; mend or delete them"
        )
    empty = sorted(
        {folder.name for folder in folders} - {image.path.parent.name for image in images}
    )
    if not images or empty:
        what = f"the folders {', '.join(empty[:5])} hold" if folders else "it has no folders and"
        raise InputError(
            f"{root}: {what} no image; expected one folder per class with files of type "
            f"{', '.join(IMAGE_EXTENSIONS)}"
        )
    return images, names


def _names(root: Path, class_names: Path | None, folders: Sequence[str]) -> list[str]:
    path = class_names or root / CLASS_NAMES
    if not path.exists() and class_names is None:
        return [folder.replace("_", " ") for folder in folders]
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        chosen = [names[folder] for folder in folders]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no JSON object of class names by folder: {error}") from None
    except KeyError as error:
        raise InputError(f"{path} has no class name for the folder {error} of {root}") from None
    for folder, name in zip(folders, chosen, strict=True):
        if not isinstance(name, str) or not name.strip() or not is_text(name):
            raise InputError(
                f"{path} names the class of the folder {folder!r} {name!r}: expected a text, which "
                "templates turn into captions"
            )
    return chosen


def image_styles(root: Path) -> dict[str, str]:
    """Return styles by path relative to ``root``, where the folder says them (the emoji's do)."""
    path = root / IMAGES
    try:
        return dict(pl.read_parquet(path, columns=["path", "style"], glob=False).iter_rows())
    except (OSError, pl.exceptions.PolarsError):
        return {}  # there is none, or one that is about something else


def chunk_images(images: Sequence[Listed], chunk: int, chunks: int, seed: int = 0) -> list[Listed]:
    """Return a chunk's share of the images, after a shuffle that mixes the classes.

    A shard of one class only would make batches of one class: bad for contrastive training.

    Raises:
        InputError: There are fewer images than chunks.
    """
    if len(images) < chunks:
        raise InputError(f"only {len(images)} images for {chunks} chunks: lower reference.chunks")
    shuffled = list(images)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - order, not security
    return shuffled[share(len(shuffled), chunk, chunks)]


def samples(
    images: Sequence[LabelledImage],
    root: Path,
    caption: str,
    styles: dict[str, str],
    border: int = 0,
) -> Iterator[tuple[str, Members]]:
    """Yield the samples of images: their bytes unchanged, a caption, a label, metadata.

    Args:
        images: The images.
        root: The folder that their paths are told relative to.
        caption: Text in which {class} stands for the class name.
        styles: Style by path relative to the root, where known.
        border: Pixels to cut off on each side; such an image is stored anew, without loss.

    Raises:
        InputError: An image whose border is to be cut off cannot be read.
    """
    for number, image in enumerate(images):
        path = image.path.relative_to(root).as_posix()
        extension = image.path.suffix.lower().removeprefix(".")
        content = {extension: image.path.read_bytes()}
        yield (
            f"{number:09d}",
            {
                **({"png": without_border(image.path, border)} if border else content),
                **label_members(path, image.class_name, image.label, caption, styles.get(path)),
            },
        )


def label_members(
    path: str, class_name: str, label: int, caption: str, style: str | None = None
) -> Members:
    """Return what stands beside an image in its sample: a caption, a label, metadata.

    Args:
        path: Where the image was.
        class_name: Name of its class.
        label: Position of its class.
        caption: Text in which {class} stands for the class name.
        style: Its style, where known.
    """
    metadata = {"path": path, "class_name": class_name, "label": label, "style": style}
    return {
        "txt": caption.replace("{class}", class_name).encode(),
        "cls": str(label).encode(),
        "json": json.dumps(metadata, sort_keys=True).encode(),
    }


def without_border(path: Path, border: int) -> bytes:
    """Return an image without so many pixels on each side, as PNG.

    Raises:
        InputError: The file is no image, or nothing of it would be left.
    """
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            box = (border, border, image.width - border, image.height - border)
            content = io.BytesIO()
            image.convert("RGB").crop(box).save(content, "PNG")
    except (OSError, ValueError, SyntaxError, SystemError) as error:
        raise InputError(
            f"{path}: a border of {border} pixels cannot be cut off: {error}"
        ) from error
    return content.getvalue()


def pack_chunk(
    packed: Iterator[tuple[str, Members]],
    out: Path,
    chunk: Chunk,
    samples_per_shard: int,
) -> None:
    """Write samples as the shards of a chunk, with its manifest.

    Args:
        packed: As many samples as the chunk has.
        out: Its folder.
        chunk: Its content, without its shards.
        samples_per_shard: Samples of a shard at most. All have as many, but for one: of a small
            last shard a worker of a training could not fill a batch.
    """
    shards = []
    number_of_shards = -(-chunk.samples // samples_per_shard)
    with (
        atomic_directory(out) as folder,
        tqdm(total=chunk.samples, unit="image", mininterval=5) as progress,
    ):
        for number in range(number_of_shards):
            first, last = (chunk.samples * n // number_of_shards for n in (number, number + 1))
            size = last - first
            name = f"{number:05d}.tar"
            write_shard(folder / name, (next(packed) for _ in range(size)))
            shards.append(Shard(Path(name), size))
            progress.update(size)
        write_chunk(folder, replace(chunk, shards=tuple(shards)))
