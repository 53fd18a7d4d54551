"""A domain of DomainNet, by the lists that ship with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.data.file_lists import images_by_label
from gapmatch.download.source import Listing, Source, SourceSettings


class DomainNetSource(SourceSettings):
    """A domain of DomainNet, by the lists that ship with it (DOMAIN_SPLIT.txt)."""

    kind: Literal["domainnet"] = Field("domainnet", description="Read a domain of DomainNet.")
    root: Path = Field(
        description="The folder that holds one folder per domain, and the lists beside them."
    )
    domain: Literal["clipart", "infograph", "painting", "quickdraw", "real", "sketch"] = Field(
        description="The domain."
    )
    split: Literal["train", "test"] = Field("test", description="The split.")

    @property
    def listed(self) -> Path:
        """The list of the split."""
        return self.root / f"{self.domain}_{self.split}.txt"

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the folder; where it is there, the list and the domain's folder."""
        if not self.root.is_dir():
            yield "root", self.root
            return
        yield "split", self.listed
        yield "domain", self.root / self.domain


def listing(source: DomainNetSource) -> Listing:
    """List the images of a split; classes that it does not hold are none of its classes."""
    images, classes = images_by_label(source.listed, source.root, source.domain)
    return Listing(source.root, images, tuple(classes))


SOURCE = Source(settings=DomainNetSource, listing=listing)
