"""Lists of image files, as data sets ship them: a path in each line, and maybe a label."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gapmatch.data.imagefolder import LabelledImage, is_image
from gapmatch.running.errors import InputError
from gapmatch.running.unicode_text import escaped

SHOWN = 3
DIGITS = 9
"""Of the largest label that is believed."""


def read_list(path: Path) -> list[tuple[str, int | None]]:
    """Read a list of files.

    Returns:
        Paths as they stand there, relative to a folder, and the labels behind them.

    Raises:
        InputError: The file cannot be read or is empty, or a line is no path inside a folder, or
            stands twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    found: dict[str, int | None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, label = _parts(line.strip())
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise InputError(
                f"{path}, line {number}: {escaped(name)}: expected a path relative to the data "
                "set's folder"
            )
        if str(inside) in found:
            raise InputError(f"{path}, line {number}: {escaped(name)} stands twice")
        found[str(inside)] = label
    if not found:
        raise InputError(f"{path} is empty: expected the path of an image in each line")
    return list(found.items())


def _parts(line: str) -> tuple[str, int | None]:
    """Split a line into a path and the label behind it, if there is one."""
    name, space, last = line.rpartition(" ")
    if space and last.isascii() and last.isdigit() and len(last) <= DIGITS:
        return name.strip(), int(last)
    return line, None


def only_listed(images: Sequence[LabelledImage], root: Path, listed: Path) -> list[LabelledImage]:
    """Return the images that a list names, in the order of the images.

    Args:
        images: All images of a folder.
        root: The folder, which the list's paths are relative to.
        listed: The list.

    Raises:
        InputError: See ``read_list``, or the folder has no such image.
    """
    names = {name for name, _ in read_list(listed)}
    chosen = [image for image in images if str(image.path.relative_to(root)) in names]
    _require_all(listed, root, names - {str(image.path.relative_to(root)) for image in chosen})
    return chosen


def _require_all(listed: Path, root: Path, missing: set[str]) -> None:
    if missing:
        some = ", ".join(escaped(name) for name in sorted(missing)[:SHOWN])
        raise InputError(f"{listed}: {len(missing)} of its files are no images in {root}: {some}")


def images_by_label(listed: Path, root: Path, folder: str) -> tuple[list[LabelledImage], list[str]]:
    """List the images of a list that tells labels; classes are named by the images' folders.

    Args:
        listed: The list: FOLDER/CLASS/FILE and a label in each line.
        root: The folder that its paths are relative to.
        folder: The folder in root that all paths begin with.

    Returns:
        The images by label and name, and the names of the classes that occur, in the order of
        their labels; the images' labels are positions in them.

    Raises:
        InputError: See ``read_list``; or a line has no label, a label has two folders or a folder
            two labels, or a file is missing.
    """
    folders: dict[int, str] = {}
    labels_of: dict[str, int] = {}
    found = read_list(listed)
    for name, label in found:
        parts = PurePosixPath(name).parts
        if label is None or len(parts) != 3 or parts[0] != folder:
            raise InputError(
                f"{listed}: {escaped(name)}: expected {folder}/CLASS/FILE, a space and a label"
            )
        of_class = parts[1]
        if folders.setdefault(label, of_class) != of_class:
            raise InputError(
                f"{listed}: the label {label} is that of {escaped(folders[label])} and of "
                f"{escaped(of_class)}: expected one folder for each label"
            )
        if labels_of.setdefault(of_class, label) != label:
            raise InputError(
                f"{listed}: {escaped(of_class)} has the labels {labels_of[of_class]} and {label}: "
                "expected one label for each folder"
            )
    labels = sorted(folders)
    classes = [folders[label].replace("_", " ") for label in labels]
    positions = {label: position for position, label in enumerate(labels)}
    images = [
        LabelledImage(root / name, positions[label], classes[positions[label]])
        for name, label in found
        if label is not None
    ]
    lost = {
        str(image.path.relative_to(root))
        for image in images
        if not (is_image(image.path) and image.path.is_file())
    }
    _require_all(listed, root, lost)
    return sorted(images, key=lambda image: (image.label, image.path)), classes
