"""Tables and figures by name, and their captions."""

import html
import json
import re
from pathlib import Path
import numpy as np
import polars as pl
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


SHOWN = [(name, one) for name, one in [*all_tables().items(), *figures().items()] if one.caption]


def test_tables_and_figures_are_found_by_name() -> None:
    assert kind_of("audit_sketch_pruned", all_tables()) is all_tables()["audit"]
    assert kind_of("accuracy_by_size", figures()) is figures()["accuracy_by_size"]
    with pytest.raises(KeyError, match="nothing_such"):
        kind_of("nothing_such", figures())


@pytest.mark.parametrize(("name", "kind"), SHOWN, ids=[name for name, _ in SHOWN])
def test_captions_are_plain_and_complete(name: str, kind: Table | Figure) -> None:
    assert kind.caption.endswith(".")
    assert "interval" in kind.caption
    assert re.search(r"\bn\b", kind.caption) or name == "neighbours"
    assert not re.search(r"[*`|{}<>]|\w_\b", kind.caption)  # no markup of RST, Jinja or HTML
    assert not re.search(r"\d\d?\.\d", kind.caption)  # no result in a caption
