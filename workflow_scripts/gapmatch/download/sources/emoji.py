"""Artwork of emoji, rendered by the workflow: the default study."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gapmatch.download.source import Source, SourceSettings
from gapmatch.download.sources.imagefolder import ImageFolderSource
from gapmatch.download.sources.urls import UrlsSource

EmojiPart = Literal["pool", "reference", "val", "v2", "rendition", "sketch", "hard", "clutter"]


class EmojiSource(SourceSettings):
    """Artwork of emoji, rendered by the workflow (see the section emoji)."""

    kind: Literal["emoji"] = Field("emoji", description="Render emoji artwork.")
    part: EmojiPart = Field(description="Which part of the emoji study to render.")

    styled: ClassVar[bool] = True

    def within(self, rendered: Path) -> SourceSettings:
        """Return the list of links of the pool, or the folder of another part."""
        folder = rendered / self.part
        if self.part == "pool":
            return UrlsSource(kind="urls", path=folder)
        return ImageFolderSource(kind="imagefolder", root=folder)


SOURCE = Source(settings=EmojiSource)
