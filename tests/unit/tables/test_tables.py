"""Tables: numbers, formats, escaping, and the accuracy table against its predictions."""

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
from gapmatch.results.summaries import (
    read_certificates,
    read_evaluations,
    read_nearest,
    read_subsets,
)
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy
from gapmatch.tables.duplicates import count_test_duplicates
from gapmatch.tables.pruned import SCHEMA as PRUNED
from gapmatch.tables.pruned import count_pruned
from gapmatch.tables.subsets import read_training_sets, subset_table, training_sets
from gapmatch.tables.table1 import headline_table, read_published, shown


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("results"))


def evaluation_files(results: Path) -> list[Path]:
    return [
        path
        for name in SUBSETS
        for path in sorted(results.glob(f"evaluations/{name}/*/*.json"), reverse=True)
    ]


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


def test_accuracy_table_is_what_the_predictions_say(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    assert table.columns == [
        "training_set", "seed", "test_set", "n", "top1", "top1_low", "top1_high", "top5",
        "mean_per_class", "chance", "one_class",
    ]  # fmt: skip
    assert table["training_set"].unique(maintain_order=True).to_list() == list(SUBSETS)
    for row in table.iter_rows(named=True):
        path = f"evaluations/{row['training_set']}/seed{row['seed']}/{row['test_set']}.parquet"
        correct = pl.read_parquet(results / path)["correct_top1"].to_numpy()
        assert row["n"] == len(correct) == TESTS[row["test_set"]]
        assert row["top1"] == correct.mean()
        half = 1.96 * np.sqrt(row["top1"] * (1 - row["top1"]) / row["n"])
        assert row["top1_high"] - row["top1_low"] == pytest.approx(2 * half, abs=1.6 / row["n"])
    seeds = table.filter(pl.col("training_set") == "baseline", pl.col("test_set") == "val")
    assert seeds["seed"].to_list() == [0, 1]


def test_chance_is_that_of_the_most_frequent_class(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    row = table.filter(pl.col("test_set") == "val").row(0, named=True)
    labels = pl.read_parquet(results / "evaluations/baseline/seed0/val.parquet")["label"].to_list()
    assert row["chance"] == max(labels.count(label) for label in labels) / len(labels)
    shown = accuracy.accuracy_matrix(table)
    assert shown.row(-1)[:2] == ("(chance)", f"{100 * row['chance']:.1f}")
    near = accuracy.near_chance(table.with_columns(chance=pl.col("top1") * 2))
    assert list(near) == list(TESTS)
    assert near["val"] == list(SUBSETS)
    assert accuracy.near_chance(table.with_columns(chance=pl.lit(-0.1))) == {}


def test_accuracy_survives_its_csv_and_is_averaged_over_seeds(
    results: Path, tmp_path: Path
) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    tables.write_table(table, tmp_path / "a", "c", shown=accuracy.accuracy_matrix(table))
    again = accuracy.read_accuracy(tmp_path / "a.csv")
    assert again.equals(table)
    mean = accuracy.over_seeds(again).row(0, named=True)
    seeds = table.filter(
        pl.col("training_set") == "baseline", pl.col("test_set") == mean["test_set"]
    )
    assert mean["seeds"] == 2
    assert mean["top1"] == pytest.approx(np.mean(seeds["top1"].to_list()))
    assert mean["spread"] == pytest.approx(np.std(seeds["top1"].to_list(), ddof=1))
    heads, rows = markdown_table(tmp_path / "a.md")
    assert heads[1] == f"{mean['test_set']} (n = {mean['n']})"
    assert rows[0][0] == "baseline"
    assert rows[0][1] == accuracy.with_interval(
        mean["top1"], mean["top1_low"], mean["top1_high"], mean["spread"]
    )


def test_sets_are_selected_in_order_or_refused(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    chosen = accuracy.select_sets(table, ["random_50", "baseline"])
    assert chosen["training_set"].unique(maintain_order=True).to_list() == ["random_50", "baseline"]
    with pytest.raises(InputError, match="nowhere"):
        accuracy.select_sets(table, ["nowhere"])


def test_an_accuracy_that_its_predictions_contradict_is_refused(
    results: Path, tmp_path: Path
) -> None:
    source = results / "evaluations/baseline/seed0/val"
    value = json.loads(source.with_suffix(".json").read_text())
    value["top1"] += 0.05
    (tmp_path / "val.json").write_text(json.dumps(value))
    (tmp_path / "val.parquet").write_bytes(source.with_suffix(".parquet").read_bytes())
    with pytest.raises(InputError, match=r"val\.json"):
        read_evaluations([tmp_path / "val.json"])
    with pytest.raises(InputError, match="second evaluation"):
        read_evaluations([source.with_suffix(".json")] * 2)


def test_subset_table_counts(results: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    certificates = read_certificates(sorted(results.glob("subsets/*/certificate.json")))
    table = subset_table(subsets, certificates, 70, {"random_50": 0.3, "random_25": 0.0})
    assert table["subset"].to_list() == list(SUBSETS)
    assert (table["kept"] + table["pruned"] == table["pool"]).all()
    assert (table["training_set_size"] == table["kept"] + table["reference"]).all()
    reference = dict(table.select("subset", "reference").iter_rows())
    assert (reference.pop("random_50"), reference.pop("random_25")) == (21, 0)
    assert set(reference.values()) == {70}
    matched = table.filter(pl.col("method") == "gap_match")
    assert matched["violations"].to_list() == [0, 0]
    assert table.filter(pl.col("method") != "gap_match")["violations"].is_null().all()


def test_pruned_counts_match_a_plain_count(results: Path, tmp_path: Path) -> None:
    metadata = sorted(results.glob("embeddings/e/pool/metadata/*.parquet"))
    kept = {name: results / f"subsets/{name}/kept" for name in ("baseline", "sketch_pruned")}
    table = count_pruned(metadata, kept, "baseline", TEST_CLASSES)
    counted: dict[tuple[str, bool], list[int]] = {}
    for path in metadata:
        chunk = path.stem[-5:]
        pool = set(pl.read_parquet(kept["baseline"] / f"kept_{chunk}.parquet")["row"])
        left = set(pl.read_parquet(kept["sketch_pruned"] / f"kept_{chunk}.parquet")["row"])
        for row, sample in enumerate(pl.read_parquet(path).iter_rows(named=True)):
            if row in pool:
                key = (sample["style"], sample["class_name"] in TEST_CLASSES)
                count = counted.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += row not in left
    pruned = table.filter(pl.col("subset") == "sketch_pruned")
    found = {(r["style"], r["test_class"]): [r["pool"], r["pruned"]] for r in pruned.to_dicts()}
    assert found == counted
    assert table.filter(pl.col("subset") == "baseline")["pruned"].sum() == 0
    tables.write_table(table, tmp_path / "pruned", "c", ["fraction"])
    assert tables.read_csv(tmp_path / "pruned.csv", PRUNED).equals(table)


def test_tables_and_figures_are_found_by_name() -> None:
    assert kind_of("audit_sketch_pruned", all_tables()) is all_tables()["audit"]
    assert kind_of("accuracy_by_size", figures()) is figures()["accuracy_by_size"]
    with pytest.raises(KeyError, match="nothing_such"):
        kind_of("nothing_such", figures())


SHOWN = [(name, one) for name, one in [*all_tables().items(), *figures().items()] if one.caption]


@pytest.mark.parametrize(("name", "kind"), SHOWN, ids=[name for name, _ in SHOWN])
def test_captions_are_plain_and_complete(name: str, kind: Table | Figure) -> None:
    assert kind.caption.endswith(".")
    assert "interval" in kind.caption
    assert re.search(r"\bn\b", kind.caption) or name == "neighbours"
    assert not re.search(r"[*`|{}<>]|\w_\b", kind.caption)  # no markup of RST, Jinja or HTML
    assert not re.search(r"\d\d?\.\d", kind.caption)  # no result in a caption


def test_duplicates_are_counted_above_the_threshold(results: Path) -> None:
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    table = count_test_duplicates(nearest, 0.9)
    for row in table.iter_rows(named=True):
        images = nearest.filter(pl.col("test_set") == row["test_set"])
        assert row["n"] == images.height
        for side in ("pool", "reference"):
            share = (images[f"{side}_similarity"].to_numpy() > 0.9).mean()
            assert row[side] == pytest.approx(share)
            assert row[f"{side}_low"] <= share <= row[f"{side}_high"]
    assert table["pool"].max() > 0
    nothing = nearest.with_columns(pool_similarity=pl.lit(None, pl.Float64))
    assert count_test_duplicates(nothing, 0.9)["pool"].to_list() == [0.0] * len(table)


def test_table1_shows_published_values_where_there_are_any(results: Path, tmp_path: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    sets = training_sets(subset_table(subsets, {}, 70, {}))
    means = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    path = tmp_path / "published.csv"
    path.write_text("training_set,test_set,top1,source\nbaseline,sketch,0.5021,A paper\n")
    table = headline_table(means, sets, read_published(path))
    assert table.height == len(SUBSETS) * 3
    known = table.filter(pl.col("published").is_not_null())
    assert known.select("training_set", "test_set", "published", "source").rows() == [
        ("baseline", "sketch", 0.5021, "A paper")
    ]
    texts = shown(table)
    assert texts["size"][0] == f"{subsets[0].kept + 70:,}"
    assert texts["sketch, published"].to_list() == ["50.21", *[""] * (len(SUBSETS) - 1)]
    assert not [name for name in texts.columns if "published" in name and "sketch" not in name]
    path.write_text("training_set,test_set,top1,source\nbaseline,sketch,50.21,A paper\n")
    with pytest.raises(InputError, match="fractions between 0 and 1"):
        read_published(path)
    path.write_text("training_set,top1\nbaseline,0.5\n")
    with pytest.raises(InputError, match="expected a CSV with the columns training_set"):
        read_published(path)


def test_training_sets_are_read_as_they_were_written(results: Path, tmp_path: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    table = subset_table(subsets, {}, 70, {})
    tables.write_table(table, tmp_path / "subsets", "c")
    assert read_training_sets(tmp_path / "subsets.csv") == training_sets(table)
    assert [one.test_sets for one in training_sets(table)] == [one.test_sets for one in subsets]
