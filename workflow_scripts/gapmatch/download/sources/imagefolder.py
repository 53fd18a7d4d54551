"""One folder of images per class, as ImageNet and its variants ship."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.data.imagefolder import image_styles, list_images
from gapmatch.download.source import Listing, Source, SourceSettings


class ImageFolderSource(SourceSettings):
    """One folder of images per class, as ImageNet and its variants ship."""

    kind: Literal["imagefolder"] = Field(
        "imagefolder", description="Read one folder of images per class."
    )
    root: Path = Field(description="The folder that holds one folder per class.")
    class_names: Path | None = Field(
        None,
        description="JSON file that maps folder names to class names; without it ROOT/classes.json "
        "is used where it exists, else the folder names with '_' as space.",
    )

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the folder, and the file of class names where there is one."""
        yield "root", self.root
        if self.class_names:
            yield "class_names", self.class_names


def listing(source: ImageFolderSource) -> Listing:
    """List the images of all classes."""
    images, classes = list_images(source.root, source.class_names)
    return Listing(source.root, images, tuple(classes), image_styles(source.root))


SOURCE = Source(settings=ImageFolderSource, listing=listing)
