"""Samples of one style, or of several in given shares."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import AfterValidator, Field, model_validator

from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_object
from gapmatch.style.style_files import read_styles
from gapmatch.subset.groups import Counts, Draw, group_sizes
from gapmatch.subset.method import Keep, Method, SubsetSettings
from gapmatch.subset.selection import Choice, Choices, Part, Selection, Size

ROUNDING = 1e-6


def _add_up(shares: dict[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    if not (all(share >= 0 for share in shares.values()) and abs(total - 1) <= ROUNDING):
        raise ValueError(
            f"expected shares that are not negative and add up to 1; they add up to {total:g}"
        )
    return shares


class StyleSubset(SubsetSettings):
    """Samples of one style, or of several in given shares."""

    method: Literal["style"] = Field(description="Keep samples of some styles.")
    shares: Annotated[dict[str, float], AfterValidator(_add_up)] = Field(
        description="Share of each style, such as {photo: 1} or {photo: 0.5, drawing: 0.5}; "
        "together 1."
    )
    keep: Keep | None = Field(
        None, description="See the other methods; null keeps all samples of the one style."
    )
    seed: int = Field(0, ge=0, description="Seed of the choice.")

    @model_validator(mode="after")
    def _mixtures_have_a_size(self) -> "StyleSubset":
        if self.keep is None and sum(share > 0 for share in self.shares.values()) > 1:
            raise ValueError(
                "shares name several styles, so keep is needed too: a fraction, a number of "
                "samples, or a subset's name"
            )
        return self


def divided(number: int, shares: dict[str, float]) -> dict[str, int]:
    """Divide a number by shares: each rounded down, the rest to the largest remainders.

    Of equal remainders the first name's is larger.
    """
    total = sum(shares.values())
    exact = {name: number * shares[name] / total for name in sorted(shares)}
    parts = {name: int(value + ROUNDING) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in rest[: number - sum(parts.values())]:
        parts[name] += 1
    return parts


def require_known(names: Iterable[str], styles: Path, subset: str) -> None:
    """Raise InputError where the style classifier does not know a style."""
    known = read_object(styles / "learned.json", ["styles"])["styles"]
    for name in names:
        if name not in known:
            raise InputError(
                f"subsets.{subset}.shares: no style is called {name}: expected one of "
                + ", ".join(known)
            )


def require_enough(sizes: Counts, wanted: dict[str, int], subset: str) -> None:
    """Raise InputError where a style has fewer samples than are wanted of it, or none at all."""
    for (name, number), size in zip(wanted.items(), sizes, strict=False):
        if max(number, 1) > size:
            raise InputError(
                f"subsets.{subset} needs {max(number, 1)} samples of the style {name}, but only "
                f"{size} of the pool have it: lower keep, the share of this style, or "
                "styles.threshold"
            )


def select(
    *,
    selection: Selection,
    styles: Path,
    shares: list[tuple[str, float]],
    size: Size = Size(),
    seed: int = 0,
) -> None:
    """Keep samples of some styles, in given shares.

    Args:
        selection: The subset.
        styles: Folder of styles_<chunk>.parquet, and of the classifier's learned.json.
        shares: Styles, and the share of each.
        size: How many samples are kept; without it all of the one style.
        seed: Seed of the choice.
    """
    pool = selection.pool()
    wanted = {name: share for name, share in sorted(shares) if share > 0}
    require_known([name for name, _ in shares], styles, selection.subset)
    names = {name: place for place, name in enumerate(wanted)}

    def parts() -> Iterator[tuple[Part, npt.NDArray[np.int64]]]:
        for part in pool.parts():
            found = read_styles(styles, part.files.chunk, part.embedded)[part.rows]
            place = found.replace_strict(names, default=len(names), return_dtype=pl.Int64)
            yield part, place.to_numpy()

    sizes = group_sizes((one for _, one in parts()), len(names) + 1)
    number = size.samples(pool, selection.subset) if size.given else int(sizes[0])
    numbers = divided(number, wanted)
    require_enough(sizes, numbers, selection.subset)
    draw = Draw(sizes, np.array([*numbers.values(), 0]), seed)

    def choices() -> Choices:
        for part, found in parts():
            kept, other = draw.take(found), found == len(names)
            reasons = {"other_style": int(other.sum()), "style": int((~kept & ~other).sum())}
            yield part, Choice(part.rows[kept], reasons)

    selection.write("style", pool, choices(), seed=seed, settings={"shares": wanted})


METHOD = Method(
    settings=StyleSubset,
    select=select,
    pruned="those of other styles, and some of these styles at random",
    curve="style",
    colour="#882255",
    marker="v",
)
