"""Types of options that programs share."""

from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter, validators

Positive: TypeAlias = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Device: TypeAlias = Literal["auto", "cpu", "cuda"]
"""auto takes a GPU where there is one."""
