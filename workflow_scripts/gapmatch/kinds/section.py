"""What all sections of the config share: strictness and the types of names."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False)


# Names become folders and Snakemake wildcards.
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64),
    Field(description="Letters, digits, '_' and '-', beginning with a letter or a digit."),
]


def distinct(values: list[int]) -> list[int]:
    """Return the values; refuse a repeated one, for pydantic's ``AfterValidator``."""
    if len(set(values)) < len(values):
        raise ValueError("expected each number once")
    return values


DistinctIntegers = Annotated[list[int], AfterValidator(distinct)]
Fraction = Annotated[float, Field(ge=0, le=1)]
