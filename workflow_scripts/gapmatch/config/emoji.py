"""The rendering of the default study's artwork."""

from pydantic import Field

from gapmatch.kinds.section import Fraction, Section


class Emoji(Section):
    """The emoji study's rendering: how many classes, variants and faults."""

    seed: int = Field(0, ge=0, description="Seed of everything random in the rendering.")
    image_size: int = Field(40, ge=16, le=512, description="Side of the images, pixels.")
    pool_classes: int = Field(400, ge=2, description="Classes that occur in the pool.")
    test_classes: int = Field(80, ge=1, description="Classes of the test sets.")
    drawing_classes: int = Field(
        160,
        ge=0,
        description="Classes, none of them a test class, of which the reference holds drawings.",
    )
    pool_variants: int = Field(3, ge=1, description="Pool images per class and style.")
    reference_variants: int = Field(5, ge=1, description="Reference photos per test class.")
    drawing_variants: int = Field(2, ge=1, description="Reference drawings per class and style.")
    test_variants: int = Field(5, ge=1, description="Images per class of each test set.")
    duplicates: Fraction = Field(0.02, description="Exact copies, as a share of the pool.")
    near_duplicates: Fraction = Field(0.03, description="Near copies, as a share of the pool.")
    faults: Fraction = Field(
        0.03, description="Dead links, redirects, truncated files and non-images, a share."
    )
