"""Links and captions in parquet files, fetched with img2dataset by rules of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.download.source import Source, SourceSettings


class UrlsSource(SourceSettings):
    """Links and captions in parquet files, fetched with img2dataset."""

    kind: Literal["urls"] = Field("urls", description="Fetch images from the web with img2dataset.")
    path: Path = Field(description="A parquet file, or a folder of parquet files.")
    url_column: str = Field("url", description="Column that holds the links.")
    caption_column: str = Field("caption", description="Column that holds the captions.")

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the list of links."""
        yield "path", self.path


SOURCE = Source(settings=UrlsSource)
