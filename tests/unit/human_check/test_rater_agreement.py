"""Agreement, alpha and their intervals: against plain NumPy, and on raters whose truth is known."""

from collections.abc import Callable

import krippendorff
import numpy as np
import pytest
from numpy.typing import NDArray

from gapmatch.human_check import agreement
from gapmatch.human_check.agreement import NOTHING, agreeing, alpha, share

NAN = np.nan
Floats = NDArray[np.float64]


def some_answers(raters: int, trials: int, missing: float, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    chosen = (generator.random((raters, trials)) < 0.7).astype(float)
    chosen[generator.random((raters, trials)) < missing] = NAN
    return chosen


def test_agreement_is_the_share_of_answers() -> None:
    chosen = np.array([[1, 0, NAN, 1], [0, 0, 1, NAN]])
    difference = np.array([0.1, -0.2, 0.0, 0.3])
    assert np.array_equal(
        agreeing(chosen, difference), [[1, 1, NAN, 1], [0, 1, 0.5, NAN]], equal_nan=True
    )
    assert share(agreeing(chosen, difference)).value == pytest.approx(4.5 / 6)


@pytest.mark.parametrize("raters", [1, 2, 7])
def test_interval_is_that_of_drawn_raters_and_trials(raters: int) -> None:
    values = some_answers(raters, 30, 0.2)
    generator = np.random.default_rng(1)
    means = []
    for _ in range(4000):
        rows = generator.integers(raters, size=raters)
        columns = generator.integers(30, size=30)
        means.append(np.nanmean([values[row, column] for row in rows for column in columns]))
    found = share(values)
    assert found.value == pytest.approx(np.nanmean(values))
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_all_pairs(seed: int) -> None:
    chosen = some_answers(5, 40, 0.3, seed)
    within, weights, paired = [], [], []
    for answers in (column[~np.isnan(column)] for column in chosen.T):
        if len(answers) > 1:
            unequal = np.abs(answers[:, None] - answers).sum() / (len(answers) - 1)
            within.append(unequal)
            weights.append(len(answers))
            paired += answers.tolist()
    values = np.array(paired)
    expected = np.abs(values[:, None] - values).sum() / (len(values) - 1)
    assert alpha(chosen).value == pytest.approx(1 - sum(within) / expected)
    data = krippendorff.alpha(reliability_data=chosen, level_of_measurement="nominal")
    assert alpha(chosen).value == pytest.approx(data)


def test_replicate_of_all_raters_and_trials_is_alpha_itself() -> None:
    chosen = some_answers(5, 40, 0.3)
    ones = [np.ones((1, size)) for size in chosen.shape]
    (found,) = agreement._alphas(chosen, *ones)
    assert found == pytest.approx(alpha(chosen).value)


def test_raters_are_not_compared_with_themselves() -> None:
    chosen = some_answers(4, 40, 0.3)
    twice = np.array([[2.0, 1.0, 1.0, 1.0]])
    (found,) = agreement._alphas(chosen, twice, np.ones((1, 40)))
    copied = np.vstack([chosen[0], chosen])
    unequal, number = 0.0, 0.0
    for answers in (column for column in copied.T if (~np.isnan(column[1:])).sum() > 1):
        given = [place for place in range(5) if not np.isnan(answers[place])]
        pairs = [(a, b) for a in given for b in given if a != b and {a, b} != {0, 1}]
        unequal += len(given) * np.mean([answers[a] != answers[b] for a, b in pairs])
        number += len(given)
    values = copied[:, (~np.isnan(chosen)).sum(axis=0) > 1]
    values = values[~np.isnan(values)]
    expected = np.abs(values[:, None] - values).sum() / (len(values) * (len(values) - 1))
    assert found == pytest.approx(1 - unequal / number / expected)


@pytest.mark.parametrize(
    "chosen",
    [
        np.full((3, 4), NAN),
        np.array([[1.0, 0.0, 1.0]]),
        np.ones((4, 6)),
        np.array([[1.0, NAN], [NAN, 0.0]]),
        np.empty((0, 5)),
    ],
    ids=["no answer", "one rater", "all equal", "no pair", "no rater"],
)
def test_alpha_of_nothing_to_compare(chosen: Floats) -> None:
    assert alpha(chosen) == NOTHING


def test_share_of_nothing() -> None:
    assert share(np.full((3, 4), NAN)) == NOTHING
    assert share(np.empty((3, 0))) == NOTHING


def test_intervals_are_the_same_each_time() -> None:
    chosen = some_answers(4, 20, 0.1)
    assert share(chosen) == share(chosen)
    assert alpha(chosen) == alpha(chosen)


# Raters: (generator, raters, trials) -> (raters, trials) probability of agreeing with the embedder.
Population = Callable[[np.random.Generator, int, int], Floats]


def equal(p: float) -> Population:
    return lambda _, raters, trials: np.full((raters, trials), p)


def by_trial(p: float, spread: float) -> Population:
    def drawn(generator: np.random.Generator, raters: int, trials: int) -> Floats:
        return np.tile(generator.beta(p * spread, (1 - p) * spread, trials), (raters, 1))

    return drawn


def by_rater(p: float, spread: float) -> Population:
    def drawn(generator: np.random.Generator, raters: int, trials: int) -> Floats:
        return np.tile(generator.beta(p * spread, (1 - p) * spread, (raters, 1)), (1, trials))

    return drawn


def alpha_of(p: float, spread: float = np.inf) -> float:
    """Alpha where half of the trials have a nearer pool image, and trials differ by a beta law."""
    variance = p * (1 - p) / (1 + spread)
    return 1 - 4 * (p - (variance + p * p))


# The population, and the true agreement and alpha.
POPULATIONS: dict[str, tuple[Population, float, float]] = {
    "0.9, all equal": (equal(0.9), 0.9, alpha_of(0.9)),
    "0.7, all equal": (equal(0.7), 0.7, alpha_of(0.7)),
    "0.9, trials differ": (by_trial(0.9, 1.0), 0.9, alpha_of(0.9, 1.0)),
    "0.7, trials differ": (by_trial(0.7, 1.0), 0.7, alpha_of(0.7, 1.0)),
    "0.9, raters differ": (by_rater(0.9, 20.0), 0.9, alpha_of(0.9)),
    "0.7, raters differ": (by_rater(0.7, 20.0), 0.7, alpha_of(0.7)),
}


def coverage(name: str, raters: int, trials: int, simulations: int) -> dict[str, float]:
    """Return how often the intervals hold the truth, and the means of value and width."""
    population, p, truth = POPULATIONS[name]
    generator = np.random.default_rng([*name.encode(), raters, trials])
    difference = np.where(np.arange(trials) % 2, 0.1, -0.1)
    found = []
    for _ in range(simulations):
        agreed = generator.random((raters, trials)) < population(generator, raters, trials)
        chosen = np.where(difference > 0, agreed, ~agreed).astype(float)
        one, other = share(agreeing(chosen, difference)), alpha(chosen)
        found.append(
            [
                one.low <= p <= one.high,
                other.low <= truth <= other.high if other != NOTHING else NAN,
                one.value,
                other.value if other != NOTHING else NAN,
                one.high - one.low,
            ]
        )
    names = ["agreement held", "alpha held", "agreement", "alpha", "width"]
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))


@pytest.fixture
def fewer_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "REPLICATES", 300)


@pytest.mark.usefixtures("fewer_replicates")
@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_hold_the_truth(name: str) -> None:
    simulations = 100
    found = coverage(name, raters=10, trials=100, simulations=simulations)
    _, p, truth = POPULATIONS[name]
    assert found["agreement"] == pytest.approx(p, abs=0.02)
    assert found["alpha"] == pytest.approx(truth, abs=0.03)
    # Intervals over both are too wide where raters or trials do not differ, never too short.
    least = 0.95 - 3 * np.sqrt(0.95 * 0.05 / simulations)
    assert found["agreement held"] >= least
    assert found["alpha held"] >= least - 0.03
