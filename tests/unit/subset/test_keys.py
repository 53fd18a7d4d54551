import weakref

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.running.errors import InputError
from gapmatch.subset.keys import (
    least_similar_first,
    lowest_keys,
    most_similar_first,
    parse_keep,
    random_keys,
    samples_to_keep,
)
from gapmatch.subset.methods.gap_match import select_gap_match

similarities = st.one_of(
    # Many ties, both zeros, and neighbours in float32.
    st.sampled_from([0.0, -0.0, -0.5, 0.25, 0.5, float(np.float32(0.5) - 2**-25), 1.0, -1.0]),
    st.floats(-1, 1, width=32),
)


def keep_lowest(parts, number):
    """Mask over all parts, each of them seen only once per pass."""
    lowest = lowest_keys(lambda: iter(parts), number)
    return np.concatenate(
        [np.zeros(0, bool), *(mask for _, mask in lowest.masks((None, keys) for keys in parts))]
    )


@given(values=st.lists(similarities, max_size=40), data=st.data())
def test_near_and_far_keep_exactly_n_and_the_earlier_of_equal_ones(values, data):
    values = np.array(values, np.float32)
    number = data.draw(st.integers(0, len(values)))
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4).map(sorted))
    for to_keys, sign in ((least_similar_first, 1), (most_similar_first, -1)):
        expected = np.argsort(sign * values, kind="stable")[:number]
        kept = keep_lowest(np.split(to_keys(values), cuts), number)
        np.testing.assert_array_equal(np.flatnonzero(kept), np.sort(expected))


@given(
    keys=st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, 65535, 65536, 2**32 - 1])),
    data=st.data(),
)
def test_lowest_keys_are_those_of_a_stable_sort(keys, data):
    keys = np.array(keys, np.uint32)
    number = data.draw(st.integers(0, len(keys)))
    expected = np.sort(np.argsort(keys, kind="stable")[:number])
    np.testing.assert_array_equal(np.flatnonzero(keep_lowest([keys], number)), expected)


def test_one_part_is_in_memory_at_a_time():
    living = weakref.WeakSet()

    class Part:
        pass

    def parts():
        for _ in range(100):
            part = Part()
            living.add(part)
            yield part, np.arange(3, dtype=np.uint32)

    lowest = lowest_keys(lambda: (keys for _, keys in parts()), 150)
    for part, _ in lowest.masks(parts()):
        assert len(living) <= 2
        del part


@given(pool=st.integers(0, 200), seed=oracle.seeds, data=st.data())
def test_random_keeps_exactly_n_however_the_pool_is_cut(pool, seed, data):
    number = data.draw(st.integers(0, pool))
    cuts = data.draw(st.lists(st.integers(0, pool), max_size=4).map(sorted))
    kept = []
    for sizes in ([pool], np.diff([0, *cuts, pool])):
        generator = np.random.default_rng(seed)
        kept.append(keep_lowest([random_keys(generator, size) for size in sizes], number))
    assert kept[0].sum() == number
    np.testing.assert_array_equal(*kept)


def test_random_depends_on_the_seed_and_favours_no_place():
    share = np.zeros(100)
    for seed in range(400):
        share += keep_lowest([random_keys(np.random.default_rng(seed), 100)], 50)
    # 400 draws of one half: the mean is 200, six standard deviations are 60.
    assert abs(share - 200).max() < 60
    assert len(set(share)) > 1


def test_gap_match_keeps_equality():
    margin = np.array([-0.1, 0.0, 1e-9, 0.2], np.float32)
    assert select_gap_match(margin, 0.0).tolist() == [True, True, False, False]
    assert select_gap_match(margin, 0.1).tolist() == [True, True, True, False]
    assert select_gap_match(margin, -0.1).tolist() == [True, False, False, False]


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
