"""Styles of the pool's images."""

from pydantic import Field

from gapmatch.config.datasets import LabelledSource
from gapmatch.kinds.section import Name, Section

EXAMPLES = "style_examples"
"""The dataset of images whose classes are styles."""


class Styles(Section):
    """A style classifier on the embeddings, trained on examples: for subsets of method style."""

    examples: LabelledSource | None = Field(
        None,
        description="Images whose classes are styles, such as a folder of images per style; null "
        "takes the pool samples whose json has a style.",
    )
    embedder: Name | None = Field(
        None, description="Embedder on whose embeddings it is trained; null is that of the search."
    )
    threshold: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="A sample has the most probable style if its probability is at least this; "
        "else it has none. A higher threshold makes styles purer and smaller.",
    )
    held_out: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="Share of the examples that are held out: the classifier is tested on them and "
        "not trained. Of whole classes, where the examples have a class beside their style.",
    )
    max_examples: int = Field(100_000, ge=10, description="Most examples; evenly spaced.")
    seed: int = Field(0, ge=0, description="Seed of the choice of what is held out.")
