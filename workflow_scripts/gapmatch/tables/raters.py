"""The table of raters: what they answered, how reliably, and who is left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gapmatch.human_check.raters import FEWEST, judge_raters, read_answers
from gapmatch.human_check.trial_images import read_trials
from gapmatch.human_check.trials import OBVIOUS_TRIALS
from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import write_table

if TYPE_CHECKING:
    from gapmatch.config.results import Results


def tabulate(*, trials: Path, responses: list[Path], out: Path) -> None:
    """Count what raters answered and got right, and say who is left out.

    Args:
        trials: trials.parquet.
        responses: Exports of the raters.
        out: Path of the table without suffix.
    """
    judged = judge_raters(read_answers(responses, read_trials(trials)))
    write_table(judged, out, TABLE.caption)


def needs(results: Results, _: str) -> Needs:
    """Return the trials and the exports."""
    files = {"trials": results.trials, "responses": results.responses()}
    return Needs([results.trials, *results.responses()], files)


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.responses() else [],
    place=63,
    caption=(
        "The raters of the human check, with n, the number of their answers. Obvious: trials "
        f"answered in which one side is the test image itself, of {OBVIOUS_TRIALS}, and how many "
        "were right. Repeated: trials answered twice, the second time with the sides swapped, and "
        "how often both answers chose the same image. A rater is left out of the other tables and "
        f"of the figure who answered fewer than {FEWEST} obvious trials, or got less than 11/12 of "
        "those answered right (with fewer than 12 answered: any wrong). These are counts of all "
        "answers, so they have no intervals."
    ),
)
