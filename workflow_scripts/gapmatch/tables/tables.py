"""Writing a table as CSV (full precision), Markdown and LaTeX (for people)."""

import html
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from tabulate import tabulate

from gapmatch.running.atomic import write_text
from gapmatch.running.errors import InputError, first_line

LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{EN DASH}": "--",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
}


def write_table(
    frame: pl.DataFrame,
    stem: Path,
    caption: str,
    percent_columns: Collection[str] = (),
    shown: pl.DataFrame | None = None,
) -> None:
    """Write ``frame`` to STEM.csv, STEM.md and STEM.tex.

    Args:
        frame: The table; the CSV holds it with full precision, fractions as fractions.
        stem: Path without suffix; its name is the LaTeX label ``tab:NAME``.
        caption: Plain text.
        percent_columns: Columns with fractions that Markdown and LaTeX show as percent.
        shown: What Markdown and LaTeX show in place of ``frame``.
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
    write_text(stem.with_name(f"{stem.name}.tex"), latex(heads, rows, align, caption, stem.name))


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


def latex(
    heads: list[str], rows: list[list[str]], align: list[str], caption: str, name: str
) -> str:
    """A table float with the rules of the LaTeX package booktabs."""
    columns = "".join("r" if side == "right" else "l" for side in align)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escape(caption)}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9:-]', '-', name)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(latex_escape, heads)) + r" \\",
        r"\midrule",
        *[" & ".join(map(latex_escape, row)) + r" \\" for row in rows],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)


def _markdown_cell(text: str) -> str:
    return html.escape(text, quote=False).replace("\\", "\\\\").replace("|", "\\|")


def read_markdown_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table in a file that ``write_table`` wrote.

    Raises:
        InputError: The file is missing or has no table.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); make the table first") from error
    table = [_split_row(line) for line in lines if line.startswith("|")]
    if len(table) < 2:
        raise InputError(f"{path}: expected a Markdown table as write_table writes it")
    return table[0], table[2:]


def _split_row(line: str) -> list[str]:
    """Cells of one row: split at bars that no backslash escapes."""
    cells = re.findall(r"((?:\\.|[^|\\])*)\|", line.strip()[1:])
    return [html.unescape(re.sub(r"\\(.)", r"\1", cell.strip())) for cell in cells]
