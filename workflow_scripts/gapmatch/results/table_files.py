"""Writing a table as CSV (full precision), Markdown and LaTeX (for people)."""

import html
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from tabulate import tabulate

from gapmatch.running.atomic import write_json, write_text
from gapmatch.running.errors import InputError, first_line

def write_table(
    frame: pl.DataFrame,
    stem: Path,
    caption: str,
    percent_columns: Collection[str] = (),
    shown: pl.DataFrame | None = None,
) -> None:
    """Write ``frame`` to STEM.csv, and for people to STEM.md, STEM.tex and STEM.json.

    Args:
        frame: The table; the CSV holds it with full precision, fractions as fractions.
        stem: Path without suffix.
        caption: Plain text.
        percent_columns: Columns with fractions that people see as percent.
        shown: What people see in place of ``frame``.
    """
    readable = frame if shown is None else shown
    cells = [
        [format_cell(value, column in percent_columns) for value in readable[column]]
        for column in readable.columns
    ]
    heads = [
        f"{column} (%)" if column in percent_columns else column for column in readable.columns
    ]
    heads = [head.replace("_", " ") if shown is None else head for head in heads]
    numeric = [
        readable[column].dtype.is_numeric()
        or bool(re.match(r"[\d.]+ \(", values[0] if values else ""))
        for column, values in zip(readable.columns, cells, strict=True)
    ]
    align = ["right" if number else "left" for number in numeric]
    rows = [list(row) for row in zip(*cells, strict=True)]
    write_text(stem.with_name(f"{stem.name}.csv"), frame.write_csv())
    write_text(stem.with_name(f"{stem.name}.md"), markdown(heads, rows, align, caption))
    write_text(stem.with_name(f"{stem.name}.tex"), latex(heads, rows, align, caption))
    page = {"caption": caption, "heads": heads, "align": align, "rows": rows}
    write_json(stem.with_name(f"{stem.name}.json"), page)


def read_csv(path: Path, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Read a table that the workflow wrote as CSV.

    Raises:
        InputError: The file is missing, or its columns are not those of the schema.
    """
    try:
        return pl.read_csv(path, schema=dict(schema))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path}: expected a CSV with the columns {', '.join(schema)} "
            f"({first_line(error)}); make it again"
        ) from error


def percent(fraction: float) -> str:
    """A fraction as percent with one decimal and no sign: 0.5021 is "50.2"."""
    return f"{100 * fraction:.1f}"


def format_cell(value: object, as_percent: bool) -> str:
    """One cell as text: thousands separators, 4 significant digits, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, float):
        return percent(value) if as_percent else f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def markdown(heads: list[str], rows: list[list[str]], align: list[str], caption: str) -> str:
    """A GitHub table under its caption."""
    safe_rows = [[_markdown_cell(cell) for cell in row] for row in rows]
    table = tabulate(
        safe_rows,
        headers=[_markdown_cell(head) for head in heads],
        tablefmt="github",
        disable_numparse=True,
        colalign=align if rows else None,
    )
    return f"{html.escape(caption, quote=False)}\n\n{table}\n"


def latex(heads: list[str], rows: list[list[str]], align: list[str], caption: str) -> str:
    """A tabular with the rules of the LaTeX package booktabs; the caption is a comment above it."""
    table = tabulate(
        rows,
        headers=heads,
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=align if rows else None,
    )
    return f"% {' '.join(caption.split())}\n{table}\n"


def _markdown_cell(text: str) -> str:
    return html.escape(text, quote=False).replace("\\", "\\\\").replace("|", "\\|")
