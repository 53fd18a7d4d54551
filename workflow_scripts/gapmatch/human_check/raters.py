"""Judging raters by obvious and repeated trials, and the answers that count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.human_check.responses import read_responses
from gapmatch.human_check.trials import MAIN, OBVIOUS, REFERENCE
from gapmatch.running.errors import InputError

PASSED = 11 / 12
"""Share of the obvious trials that a rater has to get right."""
FEWEST = 6
"""Obvious trials that a rater has to answer: half of them."""
RATERS_SCHEMA = {
    "rater": pl.String,
    "n": pl.Int64,
    "obvious": pl.Int64,
    "obvious_right": pl.Int64,
    "repeated": pl.Int64,
    "consistent": pl.Int64,
    "left_out": pl.String,
}


def read_answers(paths: Sequence[Path], trials: pl.DataFrame) -> pl.DataFrame:
    """Read exports and find out what was chosen.

    Args:
        paths: The exports.
        trials: The trials.

    Returns:
        rater, trial (of a repetition, the one that it repeats), kind, other (whether the rater
        chose the side that is not the reference's image), in the order of the answers.

    Raises:
        InputError: An export is broken, or is of other trials.
    """
    responses = read_responses(paths, set(trials["trial"]))
    known = trials.select("trial", "repeats", "kind", "left")
    on_left, reference_left = pl.col("choice") == "left", pl.col("left") == REFERENCE
    return responses.join(known, on="trial", how="left", maintain_order="left").select(
        "rater",
        pl.coalesce("repeats", "trial").alias("trial"),
        "kind",
        (on_left != reference_left).alias("other"),
    )


def judge_raters(answers: pl.DataFrame) -> pl.DataFrame:
    """Count what raters got right, and say who is left out.

    Args:
        answers: Of ``read_answers``.

    Returns:
        A row per rater, sorted, ``RATERS_SCHEMA``: of the obvious trials answered, the number
        right; of the repeated ones with both answers, the number of equal ones; why a rater's
        answers do not count, or null.
    """
    obvious = pl.col("kind") == OBVIOUS
    counts = answers.group_by("rater").agg(
        pl.len().alias("n"),
        obvious.sum().alias("obvious"),
        (obvious & pl.col("other")).sum().alias("obvious_right"),
    )
    pairs = (
        answers.filter(~obvious)
        .group_by("rater", "trial")
        .agg(pl.len().alias("times"), (pl.col("other").n_unique() == 1).alias("equal"))
        .filter(pl.col("times") == 2)
        .group_by("rater")
        .agg(pl.len().alias("repeated"), pl.col("equal").sum().alias("consistent"))
    )
    few, right = pl.col("obvious") < FEWEST, pl.col("obvious_right")
    reason = (
        pl.when(few)
        .then(pl.format("answered {} obvious trials, fewer than " + str(FEWEST), "obvious"))
        .when(right < PASSED * pl.col("obvious"))
        .then(pl.format("got {} of {} obvious trials right", right, "obvious"))
    )
    return (
        counts.join(pairs, on="rater", how="left")
        .with_columns(pl.col("repeated", "consistent").fill_null(0), reason.alias("left_out"))
        .sort("rater")
        .select(pl.col(name).cast(kind) for name, kind in RATERS_SCHEMA.items())
    )


def counted(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the answers that count: the first to each main trial, of raters who are not left out.

    Args:
        answers: Of ``read_answers``.

    Raises:
        InputError: No rater is left.
    """
    judged = judge_raters(answers)
    kept = judged.filter(pl.col("left_out").is_null())["rater"]
    if kept.is_empty():
        raise InputError(
            f"human_check.responses: none of the {judged.height} raters passed the obvious trials "
            "(tables/raters.md says why); add more exports"
        )
    return answers.filter(pl.col("rater").is_in(kept.implode()), pl.col("kind") != OBVIOUS).unique(
        ["rater", "trial"], keep="first", maintain_order=True
    )


def chose_pool(answers: pl.DataFrame, trials: pl.DataFrame) -> NDArray[np.float64]:
    """Return who chose the pool's image in which trial.

    Args:
        answers: Of ``counted``.
        trials: The trials.

    Returns:
        (raters, main trials): 1 where the pool's image was chosen, 0 where the reference's was,
        NaN where the rater did not answer. Raters are sorted, trials in the order of ``trials``.
    """
    main = trials.filter(kind=MAIN)["trial"].to_list()
    raters = answers["rater"].unique().sort().to_list()
    column = {trial: place for place, trial in enumerate(main)}
    line = {rater: place for place, rater in enumerate(raters)}
    chosen = np.full((len(raters), len(main)), np.nan)
    for rater, trial, other in answers.select("rater", "trial", "other").iter_rows():
        chosen[line[rater], column[trial]] = other
    return chosen
