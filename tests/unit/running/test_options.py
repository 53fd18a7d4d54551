"""Options: what a shell and a program's command line make of them is what was said."""

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.running.command_line import call
from gapmatch.running.errors import InputError
from gapmatch.running.options import options

texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True)


def told(values: dict[str, object]) -> dict[str, object]:
    """Return what a program gets of options that went through a shell."""
    got: dict[str, object] = {}

    def program(
        *,
        credit: str = "",
        offset: float = 0.0,
        count: int | None = None,
        test_sets: list[str] | None = None,
        files: list[tuple[str, Path]] | None = None,
        grad_checkpointing: bool = False,
    ) -> None:
        got.update(locals())

    before = sys.argv
    sys.argv = ["program.py", *shlex.split(options(values))]
    try:
        call(program)
    finally:
        sys.argv = before
    return got


@given(texts, st.floats(-2, 2), st.integers(0, 9), st.lists(names, min_size=1, max_size=3))
def test_values_arrive_as_they_were_said(
    credit: str, offset: float, count: int, tests: list[str]
) -> None:
    files = [(name, Path(f"/data/{name} $HOME")) for name in tests]
    values = {"credit": credit, "offset": offset, "count": count, "test_sets": tests}
    got = told({**values, "files": files, "grad_checkpointing": True})
    assert got["files"] == files
    assert got["grad_checkpointing"] is True
    assert {name: got[name] for name in values} == values


def test_nothing_is_said_of_what_is_not_there() -> None:
    assert options({"a": None, "b": False, "c": [], "d": ()}) == ""
    assert options({"offset": -0.5, "of_it": True}) == "--offset=-0.5 --of-it"
    assert told({})["test_sets"] is None


def test_an_unknown_option_is_an_input_error() -> None:
    with pytest.raises(InputError, match="--offste"):
        told({"offste": 1})
