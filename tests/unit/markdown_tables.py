"""Tables in Markdown, read back."""

import html
import re
from pathlib import Path


def split_row(line: str) -> list[str]:
    """Return the cells of a row of Markdown: split at bars that no backslash escapes."""
    cells = re.findall(r"((?:\\.|[^|\\])*)\|", line.strip()[1:])
    return [html.unescape(re.sub(r"\\(.)", r"\1", cell.strip())) for cell in cells]


def markdown_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of the table in a Markdown file."""
    heads, _, *rows = [
        split_row(line) for line in path.read_text().splitlines() if line.startswith("|")
    ]
    return heads, rows
