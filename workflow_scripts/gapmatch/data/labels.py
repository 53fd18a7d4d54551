"""What images are labelled with, and shards of such images; imported while Snakemake parses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Labels: TypeAlias = Literal["class", "classes", "captions"]
"""What a labelled image has: one class, several, or captions."""

TASKS: dict[str, Labels] = {
    "classification": "class",
    "multilabel": "classes",
    "retrieval": "captions",
}
"""What the images of a data set have, by its task in CLIP_benchmark."""


@dataclass(frozen=True)
class LabelledShards:
    """Webdataset shards of labelled images that exist already.

    Attributes:
        tars: The shards, in order.
        classes: Names of the classes, by label; none of images with captions.
        named_by: The file that names the classes, for messages.
        templates: Prompt templates with {} for the class name; empty where it ships none.
        images_have: What lies beside each image: its label (cls), a 0 or 1 for each class (npy), or
            one caption in each line (txt).
    """

    tars: tuple[Path, ...]
    classes: tuple[str, ...]
    named_by: Path
    templates: tuple[str, ...] = ()
    images_have: Labels = "class"
