"""Drawing a given number of samples from each group at random, in one pass over parts.

What is drawn depends on the seed and on the order of a group's members, not on how samples are cut
into chunks. Of one seed, a smaller number is part of every larger one.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Groups = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]


def group_sizes(parts: Iterable[Groups], groups: int) -> Counts:
    """Return (groups,): the members of each.

    Args:
        parts: Groups of samples, part by part.
        groups: Number of groups.
    """
    sizes = np.zeros(groups, dtype=np.int64)
    for part in parts:
        sizes += np.bincount(part, minlength=groups)
    return sizes


def even_shares(sizes: Counts, number: int) -> Counts:
    """Divide a number evenly among groups; what a group is too small for goes to the others.

    Args:
        sizes: (groups,): what each group holds. Together they hold the number.
        number: To divide. What is left over goes to the first groups that have room.

    Returns:
        (groups,): the share of each, together the number.
    """
    shares = np.zeros_like(sizes)
    while left := number - int(shares.sum()):
        room = np.flatnonzero(shares < sizes)
        if not len(room):
            raise ValueError(f"{number} are more than the {sizes.sum()} of all groups")
        each = left // len(room)
        if each:
            shares[room] = np.minimum(shares[room] + each, sizes[room])
        else:
            shares[room[:left]] += 1
    return shares


class Draw:
    """Which members of groups are drawn."""

    def __init__(self, sizes: Counts, shares: Counts, seed: int) -> None:
        """Draw.

        Args:
            sizes: (groups,): the members of each group.
            shares: (groups,): how many of each are drawn.
            seed: Seed of the choice.
        """
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._drawn = np.zeros(self._starts[-1], dtype=np.bool_)
        self._seen = np.zeros(len(sizes), dtype=np.int64)
        for group in np.flatnonzero(shares):
            generator = np.random.default_rng([seed, int(group)])
            chosen = generator.permutation(sizes[group])[: shares[group]]
            self._drawn[self._starts[group] + chosen] = True

    def take(self, groups: Groups) -> npt.NDArray[np.bool_]:
        """Return (members,): which of the next members are drawn.

        Args:
            groups: (members,): the group of each.
        """
        order = np.argsort(groups, kind="stable")
        present, first, numbers = np.unique(groups[order], return_index=True, return_counts=True)
        within = np.arange(len(groups)) - np.repeat(first, numbers)
        places = np.repeat(self._starts[present] + self._seen[present], numbers) + within
        self._seen[present] += numbers
        drawn = np.empty(len(groups), dtype=np.bool_)
        drawn[order] = self._drawn[places]
        return drawn
