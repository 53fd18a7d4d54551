"""The human check: how often people and embedders find the same image more similar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.human_check.agreement import Estimate, agreeing, alpha, share
from gapmatch.human_check.raters import chose_pool, counted, read_answers
from gapmatch.human_check.trial_images import read_trials
from gapmatch.human_check.trials import MAIN
from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import write_table
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.tables.accuracy import with_interval

if TYPE_CHECKING:
    from gapmatch.config.results import Results

ALL = "all test sets"
ESTIMATES = ("agreement", "alpha", "pruned_nearer")
SCHEMA = {
    "embedder": pl.String,
    "test_set": pl.String,
    "n": pl.Int64,
    "raters": pl.Int64,
    "answers": pl.Int64,
    "agreement": pl.Float64,
    "agreement_low": pl.Float64,
    "agreement_high": pl.Float64,
    "alpha": pl.Float64,
    "alpha_low": pl.Float64,
    "alpha_high": pl.Float64,
    "pruned": pl.Int64,
    "pruned_nearer": pl.Float64,
    "pruned_nearer_low": pl.Float64,
    "pruned_nearer_high": pl.Float64,
}


@dataclass(frozen=True)
class Judged:
    """The main trials, what people chose, and what embedders find.

    Attributes:
        trials: The main trials, of ``TRIALS_SCHEMA``.
        chose_pool: (raters, trials): 1 pool, 0 reference, NaN no answer.
        differences: By embedder, (trials,): similarity of the pool image minus the reference's.
    """

    trials: pl.DataFrame
    chose_pool: NDArray[np.float64]
    differences: Mapping[str, NDArray[np.float64]]

    def parts(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each test set, then all of them, and which trials are theirs and were answered."""
        answered: NDArray[np.bool_] = np.any(~np.isnan(self.chose_pool), axis=0)
        names = self.trials["test_set"]
        for name in names.unique().sort():
            yield name, answered & np.asarray(names == name, dtype=np.bool_)
        yield ALL, answered


@dataclass(frozen=True, kw_only=True)
class HumanCheck:
    """What people and embedders found: options of the tables that compare them.

    Attributes:
        trials: trials.parquet.
        similarities: Embedders and their similarity_EMBEDDER.parquet, in the order of the table.
        responses: Exports of the raters.
    """

    trials: Path
    similarities: list[tuple[str, Path]]
    responses: list[Path]

    def judged(self) -> Judged:
        """Read what was found.

        Raises:
            InputError: An export cannot be used, no rater is left, or a file is of other trials.
        """
        table = read_trials(self.trials)
        main = table.filter(kind=MAIN)
        differences = {}
        for embedder, path in self.similarities:
            found = read_columns(path, ["trial", "pool_similarity", "reference_similarity"])
            if not found["trial"].equals(main["trial"]):
                raise InputError(f"{path}: is of other trials than {self.trials}; make it again")
            difference = found["pool_similarity"] - found["reference_similarity"]
            differences[embedder] = difference.to_numpy()
        answers = counted(read_answers(self.responses, table))
        return Judged(main, chose_pool(answers, table), differences)


def human_check_table(judged: Judged) -> pl.DataFrame:
    """A row per embedder and test set, and for all test sets: ``SCHEMA``, shares as fractions."""
    searched = judged.trials["pool_similarity"] - judged.trials["reference_similarity"]
    pruned = (searched > 0).to_numpy()
    rows = []
    for test_set, mine in judged.parts():
        chosen = judged.chose_pool[:, mine]
        of_people = {
            "test_set": test_set,
            "n": int(mine.sum()),
            "raters": int((~np.isnan(chosen)).any(axis=1).sum()),
            "answers": int((~np.isnan(chosen)).sum()),
            **_columns("alpha", alpha(chosen)),
            "pruned": int((mine & pruned).sum()),
            **_columns("pruned_nearer", share(judged.chose_pool[:, mine & pruned])),
        }
        for embedder, difference in judged.differences.items():
            agreement = share(agreeing(chosen, difference[mine]))
            rows.append({"embedder": embedder, **of_people, **_columns("agreement", agreement)})
    place = {name: number for number, name in enumerate(judged.differences)}
    rows.sort(key=lambda row: place[str(row["embedder"])])
    return pl.DataFrame(rows, schema=SCHEMA)


def _columns(name: str, found: Estimate) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table for people: shares in percent, alpha as it is, both with intervals."""

    def interval(row: Mapping[str, float | None], name: str) -> str:
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if value is None or low is None or high is None:
            return ""
        if name == "alpha":
            text = f"{value:.2f} ({low:.2f} to {high:.2f})"
            return text.replace("-", "\N{MINUS SIGN}")
        return with_interval(value, low, high, None)

    counts = [name for name in SCHEMA if not name.startswith(ESTIMATES) or name == "pruned"]
    names = [name for name in SCHEMA if name in counts or name in ESTIMATES]
    return pl.DataFrame(
        [
            {
                name.replace("_", " "): interval(row, name) if name in ESTIMATES else row[name]
                for name in names
            }
            for row in table.iter_rows(named=True)
        ]
    )


def tabulate(*, check: HumanCheck, out: Path) -> None:
    """Tabulate how often people and embedders find the same image more similar.

    Args:
        check: What they found.
        out: Path of the table without suffix.
    """
    table = human_check_table(check.judged())
    write_table(table, out, TABLE.caption, shown=shown(table))


def needs(results: Results, _: str) -> Needs:
    """Return the trials, what embedders find, and the exports."""
    files = [(name, results.trial_similarity(name)) for name in results.checked_embedders()]
    responses = results.responses()
    return Needs(
        inputs=[results.trials, *[path for _, path in files], *responses],
        arguments={"trials": results.trials, "similarities": files, "responses": responses},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.responses() else [],
    place=62,
    caption=(
        "The human check: people saw a test image with its nearest pool image and its nearest "
        "reference image, by the embedder of the search, and chose the more similar one. n: trials "
        "with an answer; half of them have a nearer pool image where the test set allows it, so "
        "shares are not those of the whole test set. Agreement: share of the answers that chose "
        "the side that the embedder finds nearer, in percent; chance is 50. Alpha: Krippendorff's "
        "alpha of the raters (nominal; 1 is full agreement, 0 that of chance), the same for all "
        "embedders. Pruned: trials whose pool image is nearer by the search; gap matching at rank "
        "1 without offset prunes such images. Pruned nearer: share of their answers that found it "
        "nearer too, in percent. In parentheses the 95 % percentile bootstrap interval over raters "
        "and trials both (Owen's pigeonhole bootstrap; with one rater over trials alone, which "
        "tells nothing of other people). Raters who failed the obvious trials are left out (table "
        "raters)."
    ),
)
