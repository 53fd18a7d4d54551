"""Subsets of the pool: each is a training set together with the reference."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gapmatch.config.section import Name, Section

TestSets = Annotated[
    Literal["all"] | list[Name],
    Field(description="Test sets that the subset is selected against: names, or all."),
]


def _check_keep(keep: float | int | str) -> float | int | str:
    if isinstance(keep, str) or (isinstance(keep, int) and keep >= 1) or 0 < keep < 1:
        return keep
    raise ValueError("expected a fraction between 0 and 1, a number of samples, or a subset's name")


Keep = Annotated[
    float | int | str,
    AfterValidator(_check_keep),
    Field(
        description="How much of the pool is kept: a fraction below 1, a number of samples, or "
        "the name of a gap-matched subset whose size is taken."
    ),
]
ReferenceShare = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of the reference that is trained on too; 1 is the paper's, 0 leaves it "
        "out. A smaller share is part of every larger one.",
    ),
]
SubsetEmbedder = Annotated[
    Name | None,
    Field(description="Embedder whose similarity selects; null is that of the search."),
]
Seed = Annotated[int, Field(ge=0, description="Seed of the choice.")]


class AllSubset(Section):
    """The whole (deduplicated) pool: the baseline."""

    method: Literal["all"] = Field(description="Keep the whole pool.")
    reference: ReferenceShare = 1.0


class NoneSubset(Section):
    """Nothing of the pool: the reference alone."""

    method: Literal["none"] = Field(description="Keep nothing: train on the reference alone.")
    reference: ReferenceShare = 1.0


class GapMatchSubset(Section):
    """Gap-matched pruning: keep p iff s(t, p) <= s^(K)(R) + offset for every test image t."""

    method: Literal["gap_match"] = Field(description="Gap-matched pruning.")
    test_sets: TestSets
    embedder: SubsetEmbedder = None
    rank: int = Field(1, ge=1, description="Matched rank K; 1 is the paper's.")
    offset: float = Field(
        0.0, ge=-2, le=2, description="Added to every threshold; 0 is the paper's."
    )
    reference: ReferenceShare = 1.0


class NearSubset(Section):
    """Near-pruning: drop what is most similar to the test sets."""

    method: Literal["near"] = Field(description="Drop the samples nearest to the test sets.")
    test_sets: TestSets
    embedder: SubsetEmbedder = None
    keep: Keep
    reference: ReferenceShare = 1.0


class FarSubset(Section):
    """Far-pruning: drop what is least similar to the test sets."""

    method: Literal["far"] = Field(description="Drop the samples farthest from the test sets.")
    test_sets: TestSets
    embedder: SubsetEmbedder = None
    keep: Keep
    reference: ReferenceShare = 1.0


class RandomSubset(Section):
    """Random pruning: the control of the same size."""

    method: Literal["random"] = Field(description="Drop samples at random.")
    keep: Keep
    seed: Seed = 0
    reference: ReferenceShare = 1.0


Subset = Annotated[
    AllSubset | NoneSubset | GapMatchSubset | NearSubset | FarSubset | RandomSubset,
    Field(discriminator="method"),
]
