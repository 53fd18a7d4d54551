"""The human check of the similarity metric."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from gapmatch.kinds.section import Name, Section


class HumanCheck(Section):
    """Trials for people (2AFC): is the nearest pool or reference image more similar?"""

    trials: int = Field(
        200,
        ge=2,
        le=2000,
        description="Main trials: test images, each with its nearest pool and reference image. A "
        "tenth is repeated, and 12 obvious trials are added.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of trials.")
    embedders: list[Name] | None = Field(
        None,
        min_length=1,
        description="Embedders to compare with people; null: all of the study. For this they "
        "embed only the images of the trials.",
    )
    responses: Path | None = Field(
        None,
        description="Folder with the CSV exports of the page, one of each rater; null: none yet.",
    )

    def exports(self) -> list[str]:
        """Return the exports of the raters, sorted by name."""
        return sorted(map(str, self.responses.glob("*.csv"))) if self.responses else []

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the key and what is wrong with the files that it names."""
        if self.responses and not self.exports():
            yield "responses", f"{self.responses} holds no *.csv: put exports there, or set null"
