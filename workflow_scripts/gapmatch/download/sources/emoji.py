"""Artwork of emoji, rendered by the workflow: the default study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from gapmatch.data.labels import Labels
from gapmatch.download.source import Source, SourceSettings
from gapmatch.download.sources.clip_benchmark import ClipBenchmarkSource
from gapmatch.download.sources.imagefolder import ImageFolderSource
from gapmatch.download.sources.urls import UrlsSource

if TYPE_CHECKING:
    from gapmatch.config.study import Study

TRAINING = ("pool", "reference")
STYLES_PER_CLASS = 3  # twemoji, colour, line

EmojiPart = Literal[
    "pool", "reference", "val", "v2", "rendition", "sketch", "hard", "clutter", "other", "captioned"
]


class EmojiSource(SourceSettings):
    """Artwork of emoji, rendered by the workflow (see the section emoji)."""

    kind: Literal["emoji"] = Field("emoji", description="Render emoji artwork.")
    part: EmojiPart = Field(description="Which part of the emoji study to render.")

    styled: ClassVar[bool] = True

    @property
    def images_have(self) -> Labels:
        """What lies beside each image."""
        return "captions" if self.part == "captioned" else "class"

    def problems(self, key: str, study: Study) -> Iterator[tuple[str, object, str]]:
        """Yield that the part is that of another dataset, or that there are too few classes."""
        if key in TRAINING and self.part != key:
            yield f"{key}.source.part", self.part, key
        elif key not in TRAINING and self.part in TRAINING:
            yield f"{key}.source.part", self.part, "a part that is a test set"
        emoji = study.emoji
        least = emoji.test_classes + emoji.drawing_classes
        if least > emoji.pool_classes:
            expected = f"at least test_classes + drawing_classes, {least}"
            yield "emoji.pool_classes", emoji.pool_classes, expected
        elif self.part == "other" and least == emoji.pool_classes:
            expected = f"more than test_classes + drawing_classes, {least}: {key} holds the others"
            yield "emoji.pool_classes", emoji.pool_classes, expected

    def most_samples(self, study: Study) -> int:
        """Return the size of a pool without faults, which never enter it."""
        emoji = study.emoji
        rendered = emoji.pool_classes * STYLES_PER_CLASS * emoji.pool_variants
        # Each image has at most one copy of either kind.
        copies = (emoji.duplicates > 0) + (emoji.near_duplicates > 0)
        return rendered * (1 + copies)

    def within(self, rendered: Path) -> SourceSettings:
        """Return the list of links of the pool, or the folder of another part."""
        folder = rendered / self.part
        if self.part == "captioned":
            return ClipBenchmarkSource(kind="clip_benchmark", root=folder, task="retrieval")
        if self.part == "other":
            return ClipBenchmarkSource(kind="clip_benchmark", root=folder)
        if self.part == "pool":
            return UrlsSource(kind="urls", path=folder)
        return ImageFolderSource(kind="imagefolder", root=folder)


SOURCE = Source(settings=EmojiSource, both=True)
