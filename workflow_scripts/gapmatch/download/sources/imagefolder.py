"""One folder of images per class, as ImageNet and its variants ship."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.data.file_lists import only_listed
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

    files: Path | None = Field(
        None,
        description="Text file that lists the images to take, a path relative to root in each "
        "line (a label behind it is passed over); by default all are taken.",
    )

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the folder, and the files of class names and images where there are some."""
        yield "root", self.root
        for key, path in (("class_names", self.class_names), ("files", self.files)):
            if path:
                yield key, path


def listing(source: ImageFolderSource) -> Listing:
    """List the images of all classes."""
    images, classes = list_images(source.root, source.class_names)
    if source.files:
        images = only_listed(images, source.root, source.files)
    return Listing(source.root, images, tuple(classes), image_styles(source.root))


SOURCE = Source(settings=ImageFolderSource, listing=listing)
