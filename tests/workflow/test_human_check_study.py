"""The human check of the smoke study: from its page to tables of what people answered."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_trials import answers_of, write_export
from PIL import Image
from smoke_study import RESULTS, run
from test_reexecution import changed_study, copied, planned, spelled_out

from gapmatch.human_check.trial_images import read_trials
from gapmatch.human_check.trials import MAIN, OBVIOUS

pytestmark = pytest.mark.workflow

ANSWERED = "table_human_check table_raters table_agreement_by_difference figure_human_check"
TOLERANCE = 1e-5
"""Of a similarity: both are of the same vectors in float16, multiplied in another order."""


def test_page_shows_each_trial(results: Path) -> None:
    trials = read_trials(results / "human_check/trials.parquet")
    page = (results / "human_check.html").read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    data = json.loads(text)
    assert [row[0] for row in data["trials"]] == trials["trial"].to_list()
    for picture in data["pictures"]:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert image.format == "JPEG"
        assert max(image.size) <= 256
    assert not (results / "human_check/similarity_trained.parquet").exists()


@pytest.fixture(scope="module")
def answered(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A copy of the finished smoke study that was run again with the answers of three raters."""
    folder = copied(checkout, tmp_path_factory.mktemp("answered"))
    trials = read_trials(folder / RESULTS / "human_check/trials.parquet")
    for number in range(3):
        export(folder, trials, number)
    study = changed_study({"human_check.responses": "answers"}, folder)
    assert planned(folder, study=study) == spelled_out(
        f"embed_trials/trained {ANSWERED} write_report"
    )
    run(folder, study=study)
    assert planned(folder, study=study) == set()
    return folder, study


def export(folder: Path, trials: pl.DataFrame, number: int) -> None:
    """Write the answers of a rater who agrees with the search, but for one main trial."""
    nearer = (trials["pool_similarity"] > trials["reference_similarity"]).fill_null(True)
    wrong = np.flatnonzero(trials["kind"] == MAIN)[number]
    chosen = np.array(nearer)
    chosen[wrong] = not chosen[wrong]
    (folder / "answers").mkdir(exist_ok=True)
    name = f"rater {number}.csv"  # as browsers name a second download
    write_export(folder / "answers" / name, answers_of(trials, f"r{number}", chosen))


def test_similarities_are_those_of_the_search(answered: tuple[Path, Path]) -> None:
    results = answered[0] / RESULTS / "human_check"
    trials = read_trials(results / "trials.parquet").filter(kind=MAIN)
    found = pl.read_parquet(results / "similarity_trained.parquet")
    assert found["trial"].to_list() == trials["trial"].to_list()
    for side in ("pool_similarity", "reference_similarity"):
        difference = np.abs(found[side].to_numpy() - trials[side].to_numpy())
        assert difference.max() < TOLERANCE


def test_tables_tell_what_was_answered(answered: tuple[Path, Path]) -> None:
    tables = answered[0] / RESULTS / "tables"
    found = pl.read_csv(tables / "human_check.csv")
    (row,) = found.filter(test_set="all test sets").rows(named=True)
    trials = read_trials(answered[0] / RESULTS / "human_check/trials.parquet")
    n = trials.filter(kind=MAIN).height
    assert (row["n"], row["raters"], row["answers"]) == (n, 3, 3 * n)
    assert row["agreement"] == pytest.approx(1 - 1 / n)
    raters = pl.read_csv(tables / "raters.csv")
    assert raters["obvious_right"].to_list() == [trials.filter(kind=OBVIOUS).height] * 3
    assert 'id="table-human_check"' in (answered[0] / RESULTS / "report.html").read_text("utf-8")


def test_new_file_makes_the_tables_again_and_a_foreign_one_is_named(
    answered: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = copied(answered[0], tmp_path)
    study = changed_study({"human_check.responses": "answers"}, tmp_path)
    export(folder, read_trials(folder / RESULTS / "human_check/trials.parquet"), 3)
    assert planned(folder, study=study) == spelled_out(f"{ANSWERED} write_report")
    path = folder / "answers" / "rater 3.csv"
    other = re.sub(r"[0-9a-f]{12}-", "0" * 12 + "-", path.read_text(encoding="utf-8"))
    path.write_text(other, encoding="utf-8")
    said = run(folder, "--forcerun", "table_raters", study=study, status=1)
    assert "answers/rater 3.csv, line 2" in said
    assert "the file comes from the page of another study" in said
