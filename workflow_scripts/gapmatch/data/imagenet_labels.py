"""The labels of ImageNet's validation set, in the two forms that they ship in."""

import csv
from pathlib import Path

import scipy.io

from gapmatch.running.errors import InputError

META = "meta.mat"


def read_ground_truth(path: Path) -> dict[str, str]:
    """Return the WordNet id of every validation image, by its name without extension.

    Raises:
        InputError: The file is of neither known form.
    """
    try:
        truth = _read_csv(path) if path.suffix == ".csv" else _read_numbers(path)
    except (OSError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise InputError(
            f"{path} is no ground truth of ImageNet's validation set ({error!r}): expected "
            "LOC_val_solution.csv (ImageId,PredictionString) or "
            f"ILSVRC2012_validation_ground_truth.txt with the development kit's {META} beside it"
        ) from None
    return truth


def _read_csv(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError("it has no rows")
    return {row["ImageId"]: row["PredictionString"].split()[0] for row in rows}


def _read_numbers(path: Path) -> dict[str, str]:
    """Read the development kit's numbers; its own order of classes is in meta.mat."""
    synsets = scipy.io.loadmat(path.parent / META, squeeze_me=True)["synsets"]
    names = {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in synsets}
    numbers = path.read_text(encoding="utf-8").split()
    return {
        f"ILSVRC2012_val_{line:08d}": names[int(number)]
        for line, number in enumerate(numbers, start=1)
    }
