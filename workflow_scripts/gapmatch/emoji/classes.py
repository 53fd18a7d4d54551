"""The seeded choice of classes: pool, tests, and the drawings in the reference."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapmatch.emoji.artwork import STYLES, Emoji
from gapmatch.running.errors import InputError


@dataclass(frozen=True)
class ClassChoice:
    """The classes of a study. ``test`` and ``drawing`` are disjoint subsets of ``pool``."""

    pool: tuple[Emoji, ...]
    test: tuple[Emoji, ...]
    drawing: tuple[Emoji, ...]


def generator(seed: int, purpose: str, *identity: int) -> np.random.Generator:
    """Return the random generator of one thing.

    It depends on the seed, the purpose and the identity alone, so that adding a class, a style
    or a variant leaves all the others as they were.
    """
    return np.random.default_rng(
        np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *identity])
    )


def image_generator(
    seed: int, purpose: str, code: int, style: str, variant: int
) -> np.random.Generator:
    """Return the random generator of one image (see ``generator``)."""
    return generator(seed, purpose, code, STYLES.index(style), variant)


def choose_classes(
    emoji: Sequence[Emoji], seed: int, pool_classes: int, test_classes: int, drawing_classes: int
) -> ClassChoice:
    """Choose the classes of a study; larger choices contain the smaller ones' pool and tests.

    Args:
        emoji: what there is to choose from.
        seed: seed of the choice.
        pool_classes: number of classes of the pool.
        test_classes: number of those that the tests and the reference hold.
        drawing_classes: number of others that the reference holds as drawings.

    Returns:
        The choice; each group sorted by code point.

    Raises:
        InputError: there are not so many.
    """
    if pool_classes > len(emoji):
        raise InputError(
            f"emoji.pool_classes is {pool_classes}, but there are {len(emoji)} usable emoji: "
            "ask for fewer"
        )
    if test_classes + drawing_classes > pool_classes:
        raise InputError(
            f"emoji.test_classes ({test_classes}) and emoji.drawing_classes ({drawing_classes}) "
            f"are disjoint parts of emoji.pool_classes ({pool_classes}): lower one or raise the "
            "last"
        )
    drawn = sorted(emoji, key=lambda one: float(generator(seed, "classes", one.code).random()))
    pool = drawn[:pool_classes]
    return ClassChoice(
        pool=tuple(sorted(pool)),
        test=tuple(sorted(pool[:test_classes])),
        drawing=tuple(sorted(pool[test_classes : test_classes + drawing_classes])),
    )
