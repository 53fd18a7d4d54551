"""Where images come from: the sources of the pool, the reference and the test sets."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, Union

from pydantic import AfterValidator, Field

from gapmatch.download.source import SourceSettings, sources
from gapmatch.download.sources.emoji import EmojiSource
from gapmatch.kinds.section import Fraction, Section

LABELLED = [one.settings for one in sources().values() if one.listing]
POOL = [one.settings for one in sources().values() if not one.listing]

if TYPE_CHECKING:
    PoolSource: TypeAlias = SourceSettings
    LabelledSource: TypeAlias = SourceSettings
else:
    PoolSource = Annotated[Union[tuple(POOL)], Field(discriminator="kind")]  # noqa: UP007
    # The emoji's artwork becomes folders of images.
    LabelledSource = Annotated[
        Union[(EmojiSource, *LABELLED)],
        Field(discriminator="kind"),
    ]


class Pool(Section):
    """The web dataset P that is pruned."""

    source: PoolSource = Field(description="Where the pool comes from.")
    chunks: int = Field(
        4,
        ge=1,
        le=100_000,
        description="Number of chunks; a chunk is the unit of a job (100 to 450 for LAION-400M).",
    )


def _names_the_class(caption: str) -> str:
    if "{class}" not in caption:
        raise ValueError("expected {class} in it, or all images had the same caption")
    return caption


class Reference(Section):
    """The reference training set R, whose similarity to the test sets is replicated."""

    source: LabelledSource = Field(description="Where the reference comes from.")
    chunks: int = Field(1, ge=1, le=10_000, description="Number of chunks of the reference.")
    caption: Annotated[str, AfterValidator(_names_the_class)] = Field(
        "a photo of a {class}", description="Caption of every image; {class} is its class name."
    )


class TestSet(Section):
    """A labelled test set T."""

    __test__ = False  # not a pytest class

    source: LabelledSource = Field(description="Where the test images come from.")


class Download(Section):
    """How links are fetched; the settings are those of img2dataset."""

    image_size: int = Field(256, ge=8, description="Side of the stored images, pixels.")
    resize_mode: Literal["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"] = Field(
        "border", description="How img2dataset brings images to that size."
    )
    samples_per_shard: int = Field(10_000, ge=1, description="Samples per shard.")
    min_success_rate: Fraction = Field(
        0.5, description="A chunk with a lower share of fetched links is an error."
    )
    max_image_area: int = Field(
        50_000_000, ge=1, description="Larger images are rejected before decoding, pixels."
    )
    retries: int = Field(1, ge=0, description="How often a failed link is tried again.")
    timeout_minutes: float = Field(
        720, gt=0, description="A chunk that takes longer is stopped and reported, minutes."
    )


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
