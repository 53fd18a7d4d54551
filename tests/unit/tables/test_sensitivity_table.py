"""Numbers of other classes that the sensitivity to the reference is counted for."""

import pytest

from gapmatch.tables.sensitivity import class_counts


@pytest.mark.parametrize(
    ("total", "alone", "counts"),
    [
        (110, False, [0, 13, 27, 55, 110]),
        (3, False, [0, 1, 3]),
        (0, False, [0]),
        (110, True, [1, 13, 27, 55, 110]),
        (3, True, [1, 3]),
    ],
)
def test_a_reference_is_never_empty(total: int, alone: bool, counts: list[int]) -> None:
    found = class_counts(total, alone)
    assert found == counts
    assert all(type(count) is int for count in found)
