"""The tables of the human check, against counts in plain Python."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_trials import answers_of, made_trials, write_export

from gapmatch.figures.human_check import plot
from gapmatch.human_check.trials import MAIN, OBVIOUS
from gapmatch.running.errors import InputError
from gapmatch.tables import agreement_by_difference, human_check, raters

TRIALS = made_trials(200)
MAIN_TRIALS = TRIALS.filter(kind=MAIN)
EMBEDDERS = ("search", "other")
RATERS = 5


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Five raters, one of whom fails the obvious trials, and two embedders."""
    folder = tmp_path_factory.mktemp("human_check")
    TRIALS.write_parquet(folder / "trials.parquet")
    generator = np.random.default_rng(0)
    similarities = []
    for embedder in EMBEDDERS:
        table = MAIN_TRIALS.select("trial", "pool_similarity", "reference_similarity")
        if embedder == "other":
            noise = generator.normal(0, 0.1, len(table))
            table = table.with_columns(pl.col("pool_similarity") + noise)
        table.write_parquet(folder / f"similarity_{embedder}.parquet")
        similarities.append((embedder, folder / f"similarity_{embedder}.parquet"))
    obvious = (TRIALS["kind"] == OBVIOUS).to_numpy()
    nearer = (TRIALS["pool_similarity"] > TRIALS["reference_similarity"]).fill_null(True)
    exports = []
    for number in range(RATERS):
        other = np.where(generator.random(len(TRIALS)) < 0.8, nearer, ~nearer)
        other = np.where(obvious, number != 4, other)
        rows = answers_of(TRIALS, f"r{number}", other, start=40 * number)
        exports.append(write_export(folder / f"{number}.csv", rows[: len(rows) - 20 * number]))
    return {
        "trials": folder / "trials.parquet",
        "similarities": similarities,
        "responses": exports,
    }


def checked(inputs: dict[str, object]) -> human_check.HumanCheck:
    return human_check.HumanCheck(**inputs)


def answers(inputs: dict[str, object]) -> dict[tuple[str, str], bool]:
    """Return by rater and main trial whether the pool's image was chosen; plain Python."""
    known = {row["trial"]: row for row in TRIALS.iter_rows(named=True)}
    found: dict[tuple[str, str], bool] = {}
    for path in inputs["responses"][:4]:
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            rater, name, choice, _ = line.split(",")
            trial = known[name]
            if trial["kind"] == OBVIOUS:
                continue
            chose_left = trial["left"]
            chosen = chose_left if choice == "left" else {"pool", "reference"} - {chose_left}
            found.setdefault((rater, trial["repeats"] or name), "pool" in chosen)
    return found


def test_table_is_that_of_plain_counts(inputs: dict[str, object], tmp_path: Path) -> None:
    human_check.tabulate(check=checked(inputs), out=tmp_path / "human_check")
    table = pl.read_csv(tmp_path / "human_check.csv", schema=human_check.SCHEMA)
    assert table["embedder"].unique(maintain_order=True).to_list() == list(EMBEDDERS)
    given = answers(inputs)
    known = {row["trial"]: row for row in MAIN_TRIALS.iter_rows(named=True)}
    similarities = {name: pl.read_parquet(path) for name, path in inputs["similarities"]}
    for row in table.iter_rows(named=True):
        test_set, found = row["test_set"], similarities[row["embedder"]]
        pairs = found.select("pool_similarity", "reference_similarity").iter_rows()
        nearer = {t: p > r for t, (p, r) in zip(found["trial"], pairs, strict=True)}
        mine = {
            key: chosen
            for key, chosen in given.items()
            if test_set in (human_check.ALL, known[key[1]]["test_set"])
        }
        assert row["answers"] == len(mine)
        assert row["n"] == len({trial for _, trial in mine})
        assert row["raters"] == 4
        agreed = [chosen == nearer[trial] for (_, trial), chosen in mine.items()]
        assert row["agreement"] == pytest.approx(np.mean(agreed))
        assert row["agreement_low"] < row["agreement"] < row["agreement_high"]
        pruned = {
            trial: chosen
            for (_, trial), chosen in mine.items()
            if known[trial]["pool_similarity"] > known[trial]["reference_similarity"]
        }
        assert row["pruned"] == len(pruned)
        of_pruned = [chosen for (_, trial), chosen in mine.items() if trial in pruned]
        assert row["pruned_nearer"] == pytest.approx(np.mean(of_pruned))
        assert row["alpha_low"] < row["alpha"] < row["alpha_high"]
    by_search = table.filter(embedder="search", test_set=human_check.ALL)
    by_other = table.filter(embedder="other", test_set=human_check.ALL)
    assert by_search["agreement"][0] == pytest.approx(0.8, abs=0.05)
    assert by_other["agreement"][0] < by_search["agreement"][0]
    for suffix in ("md", "tex", "json"):
        assert "all test sets" in (tmp_path / f"human_check.{suffix}").read_text(encoding="utf-8")


def test_agreement_rises_with_the_difference_of_an_embedder_that_errs_near_zero(
    inputs: dict[str, object], tmp_path: Path
) -> None:
    agreement_by_difference.tabulate(
        check=checked(inputs), out=tmp_path / "agreement_by_difference"
    )
    path = tmp_path / "agreement_by_difference.csv"
    table = pl.read_csv(path, schema=agreement_by_difference.SCHEMA)
    other = table.filter(embedder="other", test_set=human_check.ALL)
    assert other.height == agreement_by_difference.BINS
    assert other["n"].sum() == 200
    assert other["mean_difference"].is_sorted()
    assert other["agreement"][-1] > other["agreement"][0] + 0.2
    assert (table["n"] >= agreement_by_difference.FEWEST).all()
    for low, mean, high in table.select("low", "mean_difference", "high").iter_rows():
        assert low <= mean + 1e-12
        assert mean <= high + 1e-12
    plot(table=path, out=tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert pl.read_csv(tmp_path / "figure.csv").height == table.height


def test_raters_tell_who_is_left_out(inputs: dict[str, object], tmp_path: Path) -> None:
    given = {name: inputs[name] for name in ("trials", "responses")}
    raters.tabulate(**given, out=tmp_path / "raters")
    table = pl.read_csv(tmp_path / "raters.csv")
    assert table["rater"].to_list() == [f"r{number}" for number in range(RATERS)]
    assert table["n"].to_list() == [len(TRIALS) - 20 * number for number in range(RATERS)]
    assert table["left_out"].is_null().to_list() == [True] * 4 + [False]
    assert table["left_out"][4].startswith("got 0 of ")


def test_one_rater_has_an_interval_but_no_alpha(inputs: dict[str, object], tmp_path: Path) -> None:
    one = inputs | {"responses": inputs["responses"][:1]}
    human_check.tabulate(check=checked(one), out=tmp_path / "human_check")
    table = pl.read_csv(tmp_path / "human_check.csv", schema=human_check.SCHEMA)
    assert table["alpha"].is_null().all()
    assert (table["agreement_low"] < table["agreement_high"]).all()


def test_similarities_of_other_trials_are_refused(
    inputs: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "similarity_search.parquet"
    pl.read_parquet(inputs["similarities"][0][1]).reverse().write_parquet(path)
    with pytest.raises(InputError, match=r"similarity_search\.parquet: is of other trials"):
        human_check.tabulate(
            check=checked(inputs | {"similarities": [("search", path)]}),
            out=tmp_path / "human_check",
        )


def test_test_set_that_nobody_reached_has_a_row(inputs: dict[str, object], tmp_path: Path) -> None:
    of_val = set(MAIN_TRIALS.filter(test_set="val")["trial"])
    rows = [
        row
        for row in answers_of(TRIALS, "r", np.ones(len(TRIALS), dtype=bool))
        if row[1] in of_val or row[1] in set(TRIALS.filter(kind=OBVIOUS)["trial"])
    ]
    export = write_export(tmp_path / "r.csv", rows)
    one = checked(inputs | {"responses": [export]})
    human_check.tabulate(check=one, out=tmp_path / "human_check")
    table = pl.read_csv(tmp_path / "human_check.csv", schema=human_check.SCHEMA)
    (empty,) = table.filter(embedder="search", test_set="sketch").rows(named=True)
    assert (empty["n"], empty["answers"], empty["agreement"]) == (0, 0, None)
