"""Exports of raters: read whole, refused by name, and judged by obvious trials."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_trials import answers_of, made_trials, write_export

from gapmatch.human_check import responses
from gapmatch.human_check.raters import chose_pool, counted, judge_raters, read_answers
from gapmatch.human_check.responses import read_export, read_responses
from gapmatch.human_check.trials import MAIN, OBVIOUS, REPEATED
from gapmatch.running.errors import InputError

TRIALS = made_trials()
NAMES = set(TRIALS["trial"])
FIRST = TRIALS["trial"][0]
HEAD = "rater,trial,choice,seconds\n"
OTHER_CHECK = made_trials(seed=1)["trial"][0]
POOL_ALWAYS = np.ones(len(TRIALS), dtype=bool)


def test_export_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = answers_of(TRIALS, "r1", POOL_ALWAYS, start=7)
    path = write_export(tmp_path / "a.csv", rows)
    assert read_export(path, NAMES) == rows
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert read_export(path, NAMES) == rows
    assert read_responses([path], NAMES).rows() == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found 'an empty file'"),
        (b"rater,trial,choice\n", "expected the columns rater,trial,choice,seconds"),
        (f"{HEAD}r,{FIRST},left\n".encode(), "line 2: 3 values, expected 4"),
        (f"{HEAD}r,{FIRST},both,1\n".encode(), "line 2: choice 'both': expected left or right"),
        (f"{HEAD}r,{FIRST},left,-1\n".encode(), "line 2: seconds '-1'"),
        (f"{HEAD}r,{FIRST},left,nan\n".encode(), "line 2: seconds 'nan'"),
        (f"{HEAD}r,{FIRST},left,soon\n".encode(), "line 2: seconds 'soon'"),
        (f"{HEAD}=1+1,{FIRST},left,1\n".encode(), "line 2: rater '=1\\+1'"),
        (f"{HEAD}r,{OTHER_CHECK},left,1\n".encode(), "is not a trial of this check"),
        (f"{HEAD}r,{FIRST},left,1\n".encode() * 2, "line 3: "),
        (f"{HEAD}r,{FIRST},left,1\nr,{FIRST},right,1\n".encode(), "a second answer of rater r"),
        ((HEAD + "r\u00e9").encode("latin-1"), "not UTF-8"),
        (HEAD.encode() + b"\0\0,\n", "line 2: 2 values"),
        (HEAD.encode() + b'r,"', "not a CSV file"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
    ],
)
def test_broken_export_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"(?s)cannot be used:.*broken\.csv.*{said}"):
        read_responses([path], NAMES)


def test_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_export(tmp_path / "large.csv", [])
    monkeypatch.setattr(responses, "LARGEST", 10)
    with pytest.raises(InputError, match=r"large\.csv: larger than 10 bytes"):
        read_responses([path], NAMES)


def test_every_refused_file_is_named_at_once(tmp_path: Path) -> None:
    good = write_export(tmp_path / "good.csv", answers_of(TRIALS, "r1", POOL_ALWAYS))
    again = write_export(tmp_path / "again.csv", answers_of(TRIALS, "r1", POOL_ALWAYS)[:3])
    foreign = write_export(tmp_path / "foreign.csv", [("r2", OTHER_CHECK, "left", 1.0)])
    with pytest.raises(InputError) as caught:
        read_responses([good, again, foreign, tmp_path / "none.csv"], NAMES)
    _, second, third, fourth = str(caught.value).splitlines()
    assert "again.csv" in second
    assert "good.csv" in second
    assert "foreign.csv" in third
    assert "none.csv" in fourth


def of_kind(kind: str) -> np.ndarray:
    return (TRIALS["kind"] == kind).to_numpy()


def wrong_on_obvious(number: int) -> np.ndarray:
    chosen = POOL_ALWAYS.copy()
    chosen[np.flatnonzero(of_kind(OBVIOUS))[:number]] = False
    return chosen


@pytest.mark.parametrize(
    ("wrong", "answered", "reason"),
    [
        (0, 12, None),
        (1, 12, None),
        (2, 12, "got 10 of 12 obvious trials right"),
        (1, 11, "got 10 of 11 obvious trials right"),
        (0, 6, None),
        (0, 5, "answered 5 obvious trials, fewer than 6"),
    ],
)
def test_raters_who_fail_obvious_trials_are_left_out(
    wrong: int, answered: int, reason: str | None, tmp_path: Path
) -> None:
    rows = answers_of(TRIALS, "r1", wrong_on_obvious(wrong))
    obvious = TRIALS.filter(kind=OBVIOUS)["trial"].to_list()
    path = write_export(tmp_path / "a.csv", [r for r in rows if r[1] not in obvious[answered:]])
    answers = read_answers([path], TRIALS)
    (row,) = judge_raters(answers).rows(named=True)
    assert row["left_out"] == reason
    assert (row["obvious"], row["obvious_right"]) == (answered, answered - wrong)
    if reason is None:
        assert counted(answers).height == 40
    else:
        with pytest.raises(InputError, match=r"none of the .* passed the obvious trials"):
            counted(answers)


@pytest.mark.parametrize("start", [0, 11, 30, 45])
def test_first_answer_counts_and_the_second_tells_consistency(start: int, tmp_path: Path) -> None:
    # Chooses the pool's image at first, and the reference's where it comes again.
    seen: set[str] = set()
    other = POOL_ALWAYS.copy()
    for place in np.roll(np.arange(len(TRIALS)), -start):
        row = TRIALS.row(place, named=True)
        name = row["repeats"] or row["trial"]
        other[place] = name not in seen
        seen.add(name)
    path = write_export(tmp_path / "a.csv", answers_of(TRIALS, "r1", other, start))
    answers = read_answers([path], TRIALS)
    (row,) = judge_raters(answers).rows(named=True)
    assert (row["n"], row["repeated"], row["consistent"]) == (len(TRIALS), 4, 0)
    found = chose_pool(counted(answers), TRIALS)
    assert found.shape == (1, of_kind(MAIN).sum())
    assert (found == 1).all()
    assert of_kind(REPEATED).sum() == 4


def test_unfinished_rater_counts_as_far_as_he_came(tmp_path: Path) -> None:
    rows = answers_of(TRIALS, "b", POOL_ALWAYS)[:-9]
    paths = [
        write_export(tmp_path / "1.csv", answers_of(TRIALS, "a", ~POOL_ALWAYS | of_kind(OBVIOUS))),
        write_export(tmp_path / "2.csv", rows),
    ]
    answers = read_answers(paths, TRIALS)
    found = chose_pool(counted(answers), TRIALS)
    assert (found[0] == 0).all()
    main = TRIALS.filter(kind=MAIN)["trial"]
    given = {trial for _, trial, *_ in rows}
    given |= set(TRIALS.filter(pl.col("trial").is_in(list(given)))["repeats"].drop_nulls())
    assert np.isnan(found[1]).tolist() == [name not in given for name in main]
    assert judge_raters(answers)["rater"].to_list() == ["a", "b"]
