"""What the figures show, and of what."""

from pathlib import Path

from pydantic import Field

from gapmatch.config.search import POOL_NEIGHBOURS
from gapmatch.kinds.section import Name, Section


class Figures(Section):
    """What the figures show."""

    id_test_set: Name = Field(
        "val", description="The in-distribution test set of the effective-robustness figure."
    )
    baseline: Name = Field("baseline", description="The subset that the others are compared to.")
    reference_only: Name = Field(
        "reference_only", description="The subset that trains on the reference alone."
    )
    examples: int = Field(6, ge=1, le=50, description="Test images per neighbour figure.")
    neighbours: int = Field(
        5,
        ge=1,
        le=POOL_NEIGHBOURS,
        description="Neighbours shown per test image in pool and reference.",
    )
    browse_images: int = Field(
        500,
        ge=1,
        le=2000,
        description="Test images of each set on the page browse/index.html; a set takes some 30 MB "
        "for 500 and five neighbours.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of examples.")
    duplicate_similarity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="A test image whose nearest neighbour is more similar than this has a "
        "duplicate, for the table of duplicates.",
    )
    published: Path | None = Field(
        None,
        description="CSV of published accuracies to show in Table 1: training_set, test_set, top1 "
        "(a fraction), source.",
    )
    credit: str = Field("", description="Credit line under figures that show pictures.")
