"""Captions: plain sentences in resources/captions, one source for tables, figures and reports."""

from pathlib import Path

from gapmatch.running.errors import InputError


def read_caption(path: Path) -> str:
    """The caption in a text file, on one line.

    Raises:
        InputError: The file is missing or empty.
    """
    try:
        caption = " ".join(path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); a caption is plain text") from error
    if not caption:
        raise InputError(f"{path}: is empty; write what is shown, n, and the kind of interval")
    return caption


def caption_of(stem: str, folder: Path, prefix: str = "") -> str:
    """The caption of a figure or table by its name.

    A figure that is made per test set, such as neighbours_sketch, has the caption of its family:
    the longest name in the folder that the stem continues after an underscore.

    Raises:
        InputError: There is none.
    """
    words = stem.split("_")
    for length in range(len(words), 0, -1):
        path = folder / f"{prefix}{'_'.join(words[:length])}.rst"
        if path.is_file():
            return read_caption(path)
    raise InputError(f"{folder}: has no caption {prefix}{stem}.rst; write one")
