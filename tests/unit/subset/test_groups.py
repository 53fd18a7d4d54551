"""Drawing from groups against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.subset.groups import Draw, even_shares, group_sizes

SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=9)


def dealt(sizes: list[int], number: int) -> list[int]:
    """Deal out a number one by one, to each group that has room in turn.

    What is left for the last turn goes to the first groups, as in the others.
    """
    shares = [0] * len(sizes)
    while number:
        for group, size in enumerate(sizes):
            if number and shares[group] < size:
                shares[group] += 1
                number -= 1
    return shares


@given(sizes=SIZES, share=st.floats(0, 1))
def test_shares_are_those_of_dealing_out(sizes, share):
    number = round(share * sum(sizes))
    assert even_shares(np.array(sizes), number).tolist() == dealt(sizes, number)


def test_more_than_there_is_cannot_be_divided():
    with pytest.raises(ValueError, match="7 are more than the 6"):
        even_shares(np.array([2, 4]), 7)


@given(
    seed=st.integers(0, 2**32 - 1),
    members=st.lists(st.integers(0, 5), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    share=st.floats(0, 1),
)
def test_what_is_drawn_does_not_depend_on_the_parts(seed, members, cuts, share):
    groups = np.array(members, dtype=np.int32)
    parts = np.split(groups, sorted(cuts))
    sizes = group_sizes(parts, 6)
    assert sizes.tolist() == [members.count(group) for group in range(6)]
    shares = even_shares(sizes, round(share * len(members)))
    draw = Draw(sizes, shares, seed)
    found = np.concatenate([draw.take(part) for part in parts])
    expected = np.zeros(len(members), dtype=bool)
    for group in range(6):
        places = np.flatnonzero(groups == group)
        order = np.random.default_rng([seed, group]).permutation(len(places))
        expected[places[order[: shares[group]]]] = True
    np.testing.assert_array_equal(found, expected)
    less = Draw(sizes, shares // 2, seed).take(groups)
    assert not (less & ~found).any(), "a smaller number is part of a larger one"


def test_members_of_a_group_are_drawn_equally_often():
    sizes, shares = np.array([10, 3]), np.array([4, 0])
    groups = np.array([0] * 5 + [1] * 3 + [0] * 5)
    drawn = sum(Draw(sizes, shares, seed).take(groups).astype(int) for seed in range(2_000))
    assert drawn[5:8].sum() == 0
    others = np.delete(drawn, slice(5, 8))
    assert others.sum() == 2_000 * 4
    assert abs(others / 2_000 - 0.4).max() < 5 * np.sqrt(0.4 * 0.6 / 2_000)
