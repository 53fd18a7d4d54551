"""Where images come from: the sources of the pool, the reference and the test sets."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, Union

from pydantic import AfterValidator, Field

from gapmatch.config.evaluation import Templates
from gapmatch.download.source import SourceSettings, sources
from gapmatch.kinds.section import Section

LABELLED = [one.settings for one in sources().values() if one.labelled]
POOL = [one.settings for one in sources().values() if one.pool]

if TYPE_CHECKING:
    PoolSource: TypeAlias = SourceSettings
    LabelledSource: TypeAlias = SourceSettings
else:
    PoolSource = Annotated[Union[tuple(POOL)], Field(discriminator="kind")]  # noqa: UP007
    LabelledSource = Annotated[Union[tuple(LABELLED)], Field(discriminator="kind")]  # noqa: UP007


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
    """A test set T: images with classes, or with captions."""

    __test__ = False  # not a pytest class

    source: LabelledSource = Field(description="Where the test images come from.")
    metric: Literal["top1", "mean_per_class"] | None = Field(
        None,
        description="What a test set whose images have one class each is judged by: top-1 accuracy "
        "(the default), or the mean of its classes' accuracies, as is usual for some (pets, "
        "flowers, aircraft, Caltech-101). Multilabel ones are judged by the mean average "
        "precision, those with captions by recall.",
    )
    templates: Templates | None = Field(
        None,
        description="Prompt templates of this test set, as evaluation.templates; by default those "
        "that it ships (clip_benchmark), else evaluation.templates.",
    )
