"""Files of tables: full precision, escaping, and reading back."""

import html
import json
import re
from pathlib import Path
import numpy as np
import polars as pl
from markdown_tables import markdown_table, split_row
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import SUBSETS, TEST_CLASSES, TESTS, make_results
from gapmatch.results import table_files as tables
from gapmatch.results.shown import Figure, Table, figures, kind_of
from gapmatch.results.shown import tables as all_tables
from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import read_certificates, read_nearest, read_subsets
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy
from gapmatch.tables.duplicates import count_test_duplicates
from gapmatch.tables.pruned import SCHEMA as PRUNED
from gapmatch.tables.pruned import count_pruned
from gapmatch.tables.subsets import read_training_sets, subset_table, training_sets
from gapmatch.tables.table1 import headline_table, read_published, shown


def test_csv_keeps_full_precision_and_the_others_show_percent(tmp_path: Path) -> None:
    frame = pl.DataFrame({"name": ["a|b", "c_d & <e>"], "share": [1 / 3, None], "n": [1234, 5]})
    tables.write_table(frame, tmp_path / "t", "Shares of 100 % & more", ["share"])
    assert pl.read_csv(tmp_path / "t.csv").equals(frame)
    markdown = (tmp_path / "t.md").read_text()
    assert markdown.startswith("Shares of 100 % &amp; more\n\n| name ")
    assert "<e>" not in markdown
    heads, rows = markdown_table(tmp_path / "t.md")
    assert heads == ["name", "share (%)", "n"]
    assert rows == [["a|b", "33.3", "1,234"], ["c_d & <e>", "", "5"]]
    latex = (tmp_path / "t.tex").read_text()
    assert r"c\_d \& \ensuremath{<}e\ensuremath{>} & & 5 \\" in " ".join(latex.split())
    assert latex.startswith("% Shares of 100 % & more\n\\begin{tabular}{lrr}\n")
    page = json.loads((tmp_path / "t.json").read_text())
    assert (page["heads"], page["rows"]) == (heads, rows)
    assert (page["caption"], page["align"]) == (
        "Shares of 100 % & more",
        ["left", "right", "right"],
    )


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    tables.write_table(pl.DataFrame(schema={"a": pl.String}), tmp_path / "t", "None")
    assert markdown_table(tmp_path / "t.md") == (["a"], [])


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12))
def test_any_name_survives_markdown_and_keeps_latex_balanced(name: str) -> None:
    line = tables.markdown([name], [[name]], ["left"], "c").splitlines()[-1]
    assert split_row(line) == [name]
    latex = tables.latex([name], [[name]], ["left"], f"{name}\n{name}")
    assert latex.startswith(f"% {name} {name}\n")
    latex = latex.partition("\n")[2]
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip()
    assert body.replace(r"\&", "").count("&") == 0
