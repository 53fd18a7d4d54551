"""Statistics against simulation, SciPy and hand calculation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gapmatch.results import statistics


@pytest.mark.parametrize(("n", "right"), [(40, 30), (100, 5), (333, 200)])
def test_interval_is_the_limit_of_the_simulated_bootstrap(n: int, right: int) -> None:
    correct = np.arange(n) < right
    generator = np.random.default_rng(0)
    means = correct[generator.integers(n, size=(20_000, n))].mean(axis=1)
    simulated = np.quantile(means, [0.025, 0.975])
    assert statistics.bootstrap_interval(correct) == pytest.approx(simulated, abs=1.01 / n)


def test_interval_has_no_width_without_variation_and_is_nan_without_images() -> None:
    assert statistics.bootstrap_interval(np.ones(7, bool)) == (1.0, 1.0)
    assert statistics.bootstrap_interval(np.zeros(7, bool)) == (0.0, 0.0)
    assert np.isnan(statistics.bootstrap_interval(np.zeros(0, bool))).all()


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99]))
def test_interval_holds_the_accuracy_and_is_symmetric(values: list[bool], level: float) -> None:
    correct = np.array(values)
    low, high = statistics.bootstrap_interval(correct, level)
    assert 0 <= low <= correct.mean() + 1 / correct.size
    assert correct.mean() - 1 / correct.size <= high <= 1
    wrong_low, wrong_high = statistics.bootstrap_interval(~correct, level)
    assert wrong_low == pytest.approx(1 - high, abs=1.01 / correct.size)
    assert wrong_high == pytest.approx(1 - low, abs=1.01 / correct.size)


def test_seed_interval_is_as_wide_as_resampling_images_of_all_seeds_together() -> None:
    generator = np.random.default_rng(1)
    shared = generator.random(200)
    noise = generator.random((200, 3)) * 0.5
    correct = (0.5 * shared[:, None] + noise) < 0.5
    means = correct.mean(axis=1)[generator.integers(200, size=(20_000, 200))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    averaged = statistics.seed_interval(correct)
    assert averaged[0] <= low + 0.005 <= correct.mean() <= high - 0.005 <= averaged[1]
    one = statistics.seed_interval(correct[:, :1])
    assert one == statistics.bootstrap_interval(correct[:, 0])


def test_mean_and_spread() -> None:
    assert statistics.mean_and_spread(np.array([1.0, 2.0, 6.0])) == (3.0, pytest.approx(7**0.5))
    mean, spread = statistics.mean_and_spread(np.array([0.4]))
    assert mean == 0.4
    assert np.isnan(spread)


def test_logit_is_finite_and_inverted() -> None:
    accuracy = np.array([0.0, 0.2, 0.5, 1.0])
    logits = statistics.logit(accuracy, np.full(4, 100))
    assert logits[1:3] == pytest.approx([np.log(0.25), 0.0])
    assert statistics.inverse_logit(logits) == pytest.approx([0.005, 0.2, 0.5, 0.995])


def test_line_is_least_squares_and_none_without_spread() -> None:
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, 9))
    line = statistics.fit_line(x, y)
    assert line is not None
    assert line[:2] == pytest.approx(tuple(np.polyfit(x, y, 1)))
    assert statistics.fit_line(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None
    assert statistics.fit_line(np.array([1.0]), np.array([1.0])) is None
    assert statistics.fit_line(np.zeros(0), np.zeros(0)) is None


def test_confidence_band_covers_the_true_line_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    x = np.array([-2.0, -1.0, 0.5, 3.0])
    where = np.array([-3.0, 0.0, 4.0])
    covered = []
    for _ in range(4000):
        line = statistics.fit_line(x, 2 * x + 1 + generator.normal(size=x.size))
        assert line is not None
        half = statistics.confidence_band(line, where, 0.9)
        assert half is not None
        covered.append(np.abs(line.slope * where + line.intercept - (2 * where + 1)) <= half)
    # Three standard errors of 4,000 draws.
    assert np.mean(covered, axis=0) == pytest.approx(np.full(3, 0.9), abs=0.015)


def test_two_points_have_no_confidence_band() -> None:
    line = statistics.fit_line(np.array([0.0, 1.0]), np.array([0.0, 2.0]))
    assert line is not None
    assert statistics.confidence_band(line, np.zeros(1)) is None


def test_correlations_match_scipy() -> None:
    generator = np.random.default_rng(3)
    x = generator.integers(5, size=50).astype(float)
    y = x + generator.normal(size=50)
    assert statistics.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert statistics.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(statistics.pearson(x, np.ones(50)))
    assert np.isnan(statistics.spearman(np.ones(1), np.ones(1)))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 3), st.integers(0, 99))
def test_bins_partition_the_images(n: int, bins: int, seeds: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    similarity = generator.integers(12, size=n) / 10
    correct = generator.random((n, seeds)) < 0.5
    result = statistics.binned_accuracy(similarity, correct, bins)
    assert sum(one.n for one in result) == n
    assert len(result) <= bins
    weighted = sum(one.n * one.accuracy for one in result) / n
    assert weighted == pytest.approx(correct.mean())
    for one, following in pairwise(result):
        assert one.high <= following.low


def test_bins_hold_what_their_edges_say() -> None:
    similarity = np.linspace(0, 1, 40)
    correct = (similarity > 0.5)[:, None]
    result = statistics.binned_accuracy(similarity, correct, 4)
    assert [one.n for one in result] == [10, 10, 10, 10]
    assert [one.accuracy for one in result] == [0, 0, 1, 1]
    assert result[0].mean_similarity == pytest.approx(similarity[:10].mean())
    assert statistics.binned_accuracy(np.zeros(0), np.zeros((0, 1), bool), 4) == []


def test_replicates_with_nothing_to_measure_are_left_out() -> None:
    replicates = np.array([np.nan, *np.linspace(0, 1, 1001), np.nan])
    assert statistics.percentile_interval(replicates) == pytest.approx((0.025, 0.975))
