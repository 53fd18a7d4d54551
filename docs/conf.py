"""The site that `make docs` builds from these pages. Building and reading it needs no network."""

import os
import re
import tomllib
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

DOCS = Path(__file__).parent
ABOUT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = ABOUT["name"]
release = version = ABOUT["version"]
html_title = f"{project} {release}"
html_short_title = project

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # links to headings, named as on GitHub

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_permalinks_icon = "#"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_domain_indices = False
# Excerpts of what a search finds would be fetched, which browsers refuse to pages opened from disk.
html_show_search_summary = False

SHOWN_AS = {
    "README.md": "docs/index.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "CHANGELOG.md": "docs/changelog.md",
}
"""Files outside this folder that are pages of the site. Links to other files open a copy."""


def move_links(text: str, source: Path) -> str:
    """Make links of a file right on the page that shows it.

    Args:
        text: Markdown.
        source: The file that it is from, relative to this folder.
    """
    folder = Path("docs") / source.parent
    shown = Path(SHOWN_AS.get(os.path.normpath(folder / source.name), folder / source.name)).parent

    def move(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[1])
        return f"]({os.path.relpath(SHOWN_AS.get(target, target), shown)}"

    # Every second part is a block of code, which stays as it is.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"\]\((?!\w+:|#)([^)#\s]+)", move, parts[place])
    return "".join(parts)


def read_included(_app: Sphinx, source: Path, _page: str, content: list[str]) -> None:
    """Move the links of a file that a page includes.

    Its chart stays text: GitHub draws it, but no script does so here.
    """
    content[0] = move_links(content[0], source).replace("```mermaid", "```text")


def read_page(_app: Sphinx, page: str, content: list[str]) -> None:
    """Move the links of a page; complete the tables of results, which studies wrote."""
    source = Path(page).with_suffix(".md")
    content[0] = move_links(content[0], source)
    if source.parent.name == "tables":
        # A search lists titles, and both studies have some of the same tables.
        study = source.parent.parent.name
        title = source.stem.replace("_", " ").capitalize()
        title += f" ({study})" if study != "results" else ""
        content[0] = f"# {title}\n\n{content[0]}"
    if (DOCS / source.parent / "tables").is_dir():
        content[0] += "\n\n```{toctree}\n:hidden:\n:glob:\n\ntables/*\n```\n"


def write_math(translator: HTML5Translator, node: nodes.Element) -> None:
    """Write an equation as MathML, which browsers show without a script."""
    if isinstance(node, nodes.math_block):
        # TeX sets indices below a displayed maximum, which the library does only when told.
        equation = node.astext().replace(r"\max_", r"\max\limits_")
        translator.body.append(convert(equation, display="block"))
    else:
        translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def keep_together(_app: Sphinx, document: nodes.document) -> None:
    """Mark intervals such as (68.8-78.7) in tables: a line must not end inside one."""
    for cell in document.findall(nodes.entry):
        for text in list(cell.findall(nodes.Text)):
            parts = re.split(r"(\S*\d-\d\S*)", text.astext())
            if len(parts) > 1:
                marked = [nodes.inline("", one, classes=["together"]) for one in parts[1::2]]
                plain = list(map(nodes.Text, parts[::2]))
                both = [one for pair in zip(plain, marked, strict=False) for one in pair]
                text.parent.replace(text, [*both, plain[-1]])


def show_linked_files(
    _app: Sphinx, _page: str, _template: str, context: dict[str, object], _tree: object
) -> None:
    """Let links to files open them (figures, for example), where Sphinx would have them saved."""
    context["body"] = str(context.get("body", "")).replace(' download=""', "")


def setup(app: Sphinx) -> None:
    """Tell Sphinx of the functions above."""
    app.connect("include-read", read_included)
    app.connect("source-read", read_page)
    app.connect("doctree-read", keep_together)
    app.connect("html-page-context", show_linked_files)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
