"""Reading the exports of raters, and refusing what is no answer to these trials."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from gapmatch.running.errors import InputError

COLUMNS = ["rater", "trial", "choice", "seconds"]
CHOICES = ("left", "right")
LARGEST = 2**22
"""Most bytes of an export; one of 2,000 trials has about 120,000."""
RATER = re.compile(r"[\w-]{1,64}", re.ASCII)


class Response(NamedTuple):
    """An answer of a rater to a trial."""

    rater: str
    trial: str
    choice: str
    seconds: float


def read_export(path: Path, trials: Collection[str]) -> list[Response]:
    """Read the export of a rater, in the order of the answers.

    Args:
        path: A CSV file.
        trials: Names of the trials.

    Raises:
        InputError: The file is no whole export of these trials.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        lines = list(rows)
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file ({error}); ask for the export again") from error
    if not lines or lines[0] != COLUMNS:
        found = ",".join(lines[0]) if lines else "an empty file"
        raise InputError(f"{path}: expected the columns {','.join(COLUMNS)}, found {found[:80]!r}")
    return [_response(path, number, row, trials) for number, row in enumerate(lines[1:], 2)]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST} bytes, so not a rater's export")
        # Spreadsheets put a byte order mark in front.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8; take the file as the page made it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _response(path: Path, line: int, row: list[str], trials: Collection[str]) -> Response:
    def refuse(problem: str) -> InputError:
        return InputError(f"{path}, line {line}: {problem}")

    if len(row) != len(COLUMNS):
        raise refuse(f"{len(row)} values, expected {len(COLUMNS)}; ask for the export again")
    rater, trial, choice, text = row
    if not RATER.fullmatch(rater):
        raise refuse(f"rater {rater[:80]!r}: expected letters, digits, _ and -")
    if trial not in trials:
        raise refuse(
            f"{trial[:80]!r} is not a trial of this check: the file comes from the page of another "
            "study, seed or number of trials"
        )
    if choice not in CHOICES:
        raise refuse(f"choice {choice[:80]!r}: expected {' or '.join(CHOICES)}")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise refuse(f"seconds {text[:80]!r}: expected a number of at least 0")
    return Response(rater, trial, choice, seconds)


def read_responses(paths: Sequence[Path], trials: Collection[str]) -> pl.DataFrame:
    """Read the exports of all raters.

    Args:
        paths: CSV files.
        trials: Names of the trials.

    Returns:
        The fields of ``Response``, in the order of the files and of each rater's answers.

    Raises:
        InputError: Names every file that is no export of these trials, with its first problem;
            or a second answer of a rater to a trial, with both files.
    """
    responses: list[Response] = []
    problems: list[str] = []
    given: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            read = read_export(path, trials)
            for one in read:
                if earlier := given.get((one.rater, one.trial)):
                    raise InputError(
                        f"{path}: a second answer of rater {one.rater} to {one.trial}, after that "
                        f"in {earlier}; keep only the rater's latest export"
                    )
                given[one.rater, one.trial] = path
        except InputError as error:
            problems.append(str(error))
            continue
        responses += read
    if problems:
        raise InputError("exports that cannot be used:\n" + "\n".join(f"  {p}" for p in problems))
    return pl.DataFrame(responses, schema=dict(zip(COLUMNS, TYPES, strict=True)), orient="row")


TYPES = (pl.String, pl.String, pl.String, pl.Float64)
