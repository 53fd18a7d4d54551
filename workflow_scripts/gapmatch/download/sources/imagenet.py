"""ImageNet or one of its shifted test sets, in the layout that it ships in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.download.source import Listing, Source, SourceSettings


class ImageNetSource(SourceSettings):
    """ImageNet or one of its shifted test sets, in the layout that it ships in."""

    kind: Literal["imagenet"] = Field("imagenet", description="Read ImageNet or one of its shifts.")
    variant: Literal["train", "val", "sketch", "a", "r", "v2", "objectnet"] = Field(
        description="Which data set it is: it says how folders and classes are found."
    )
    root: Path = Field(
        description="Its folder as unpacked: class folders (WordNet ids; v2: 0 to 999), for "
        "objectnet the one with images/ and mappings/."
    )
    ground_truth: Path | None = Field(
        None,
        description="For val with all images in one folder: LOC_val_solution.csv, or "
        "ILSVRC2012_validation_ground_truth.txt with the development kit's meta.mat beside it.",
    )
    images: int | None = Field(
        None,
        ge=1,
        description="Number of images, where the folder holds a part; by default as published.",
    )

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the folder, and the file of labels where there is one."""
        yield "root", self.root
        if self.ground_truth:
            yield "ground_truth", self.ground_truth


def listing(source: ImageNetSource) -> Listing:
    """List the images of all classes."""
    # Snakemake imports this module and does not wait for open_clip, which names the classes.
    from gapmatch.data.imagenet import VARIANTS, list_imagenet

    images, classes = list_imagenet(source.variant, source.root, source.ground_truth, source.images)
    return Listing(
        source.root,
        images,
        tuple(one.name for one in classes),
        border=VARIANTS[source.variant].border,
        imagenet_indices=tuple(one.indices for one in classes),
    )


SOURCE = Source(settings=ImageNetSource, listing=listing, environment="imagenet")
