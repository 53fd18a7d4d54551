import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.errors import InputError
from gapmatch.subsets import (
    parse_keep,
    samples_to_keep,
    select_all,
    select_far,
    select_gap_match,
    select_near,
    select_none,
    select_random,
)


@given(
    values=st.lists(st.sampled_from([0.0, -0.5, 0.25, 0.5, 1.0]), max_size=30).map(
        lambda values: np.array(values, np.float32)
    ),
    data=st.data(),
)
def test_near_and_far_keep_exactly_n_and_the_earlier_of_equal_ones(values, data):
    number = data.draw(st.integers(0, len(values)))
    for select, sign in ((select_near, 1), (select_far, -1)):
        expected = np.argsort(sign * values, kind="stable")[:number]
        np.testing.assert_array_equal(np.flatnonzero(select(values, number)), np.sort(expected))


@given(pool=st.integers(0, 200), seed=oracle.seeds, data=st.data())
def test_random_keeps_exactly_n_and_repeats_itself(pool, seed, data):
    number = data.draw(st.integers(0, pool))
    kept = select_random(pool, number, seed)
    assert kept.sum() == number
    np.testing.assert_array_equal(kept, select_random(pool, number, seed))


def test_random_depends_on_the_seed():
    assert (select_random(100, 50, 0) != select_random(100, 50, 1)).any()


def test_gap_match_keeps_equality():
    margin = np.array([-0.1, 0.0, 1e-9, 0.2], np.float32)
    assert select_gap_match(margin, 0.0).tolist() == [True, True, False, False]
    assert select_gap_match(margin, 0.1).tolist() == [True, True, True, False]
    assert select_gap_match(margin, -0.1).tolist() == [True, False, False, False]


def test_all_and_none():
    assert select_all(3).all()
    assert not select_none(3).any()


@pytest.mark.parametrize(("text", "keep"), [("0.5", 0.5), ("1.0", 1.0), ("1", 1), ("1e-2", 0.01)])
def test_keep_is_a_fraction_or_a_number(text, keep):
    assert parse_keep(text) == keep
    assert type(parse_keep(text)) is type(keep)


@pytest.mark.parametrize("text", ["0", "0.0", "1.5", "-3", "nan", "half"])
def test_other_sizes_are_refused(text):
    with pytest.raises(ValueError, match=text):
        parse_keep(text)


def test_number_of_samples():
    assert samples_to_keep(0.5, 11, "s") == round(5.5)
    assert samples_to_keep(1.0, 11, "s") == 11
    assert samples_to_keep(11, 11, "s") == 11
    with pytest.raises(InputError, match=r"subsets\.near_9\.keep asks for 12"):
        samples_to_keep(12, 11, "near_9")
