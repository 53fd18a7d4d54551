"""When a run will end: the arithmetic, with values computed by hand."""

import pytest

from gapmatch.running.run_estimate import Estimate, Planned, RunEstimate, UnderWay, about

PLANNED = {
    "download": Planned(4, 100),
    "embed": Planned(2, 50),
    "train": Planned(2, 400),
    "plot": Planned(3, None),
}


def run(**finished: list[float]) -> RunEstimate:
    estimate = RunEstimate(PLANNED)
    for rule, times in finished.items():
        for seconds in times:
            estimate.finish(rule, seconds)
    return estimate


def test_nothing_has_finished() -> None:
    assert run().estimate(60, [UnderWay("download", 60, 5)]) is None


def test_rules_of_which_none_has_finished() -> None:
    # A download takes 10 s of its 100 min: an embedding of 50 min 5 s, a training 40 s; a plot,
    # whose runtime is unknown, what the others took. Remaining: 30 + 2 * 5 + 2 * 40 + 3 * 10.
    estimate = run(download=[10]).estimate(10, [])
    assert estimate == Estimate(pytest.approx(10 / 160), pytest.approx(150))


def test_rules_count_alike() -> None:
    # 10 of 100 and 20 of 50 are a tenth and four tenths: a training of 400 min takes 100 s.
    # Downloads: 2 left, 20 s. Embedding: 1 left, 20 s. Plots: 3 of (10 + 20) / 2.
    estimate = run(download=[8, 12], embed=[20]).estimate(20, [])
    assert estimate is not None
    assert estimate.left == pytest.approx(20 * (20 + 20 + 200 + 45) / 40)


def test_jobs_side_by_side() -> None:
    """Two jobs of 10 s in 10 s: what is left goes on twice as fast as one by one."""
    estimate = run(download=[10, 10], embed=[5, 5], train=[40, 40], plot=[10, 10, 10])
    result = estimate.estimate(70, [])
    assert result == Estimate(pytest.approx(140 / 160), pytest.approx(70 * 20 / 140))


def test_jobs_under_way() -> None:
    finished = run(download=[10, 10, 10], embed=[5, 5], plot=[10, 10, 10])
    # A training of 30 s that has 90 s left: the other one takes 120 s. The download is at 4 of 10.
    jobs = [UnderWay("train", 30, 90), UnderWay("download", 4, None)]
    done, remaining = 70 + 30 + 4, 90 + 120 + 6
    estimate = finished.estimate(104, jobs)
    assert estimate == Estimate(pytest.approx(done / (done + remaining)), pytest.approx(remaining))


def test_job_that_takes_longer_than_others_did() -> None:
    finished = run(download=[10, 10, 10], embed=[5, 5], train=[40, 40], plot=[10, 10, 10])
    estimate = finished.estimate(100, [UnderWay("download", 50, None)])
    assert estimate == Estimate(1, 0)
    assert estimate.percent == 99


def test_run_lasts_as_long_as_its_longest_job() -> None:
    finished = run(download=[10] * 4, embed=[5, 5], train=[40], plot=[10, 10, 10])
    estimate = finished.estimate(30, [UnderWay("train", 10, 70)])
    assert estimate is not None
    assert 30 * 70 / (120 + 10) < 70
    assert estimate.left == 70


def test_rule_that_was_not_planned() -> None:
    estimate = RunEstimate({})
    estimate.finish("other", 5)
    assert estimate.estimate(5, [UnderWay("another", 2, None)]) == Estimate(1, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (89, "about 1 min"),
        (450, "about 8 min"),
        (569, "about 9 min"),
        (571, "about 10 min"),
        (1_400, "about 25 min"),
        (3_440, "about 55 min"),
        (3_460, "about 1 h"),
        (7_700, "about 2 h 10 min"),
        (36_100, "about 10 h"),
        (100_000, "about 28 h"),
        (200_000, "about 2 days"),
        (600_000, "about 7 days"),
    ],
)
def test_time_is_rounded(seconds: float, text: str) -> None:
    assert about(seconds) == text
