"""The report: complete, self-contained, escaped, and honest about what does not add up."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from made_report import counts, made_report
from made_results import CHUNK_ROWS, FAILED

from gapmatch.report import report
from gapmatch.report.cautions import caution_sentences
from gapmatch.report.grid import factor_sentences
from gapmatch.report.headline import headline_sentences
from gapmatch.results.counts import subset_reconciles
from gapmatch.results.summaries import Subset
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import COLUMNS, over_seeds
from gapmatch.tables.differences import Difference
from gapmatch.tables.embedders import SCHEMA as EMBEDDERS
from gapmatch.tables.embedders import embedder_table
from gapmatch.tables.factors import SCHEMA as FACTORS

EVIL = '<script>alert("1")</script>'


class Page(HTMLParser):
    """Collects the elements of a page and checks that they are closed in order."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_whole_and_needs_nothing_outside_it(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    text = made_report(results, subsets, accuracy, tmp_path)
    page = Page()
    page.feed(text)
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe")
        source = attributes.get("src")
        assert source is None or source.startswith("data:image/png;base64,iVBOR")
        assert (attributes.get("href") or "#").startswith("#") or (
            attributes["href"] == "browse/index.html"  # which lies beside it
        )
        assert tag != "img" or len(attributes.get("alt") or "") > 40
    assert re.search(r"https?://|url\(|@import", text) is None
    anchors = {attributes.get("id") for _, attributes in page.elements}
    links = [attributes.get("href") or "" for tag, attributes in page.elements if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert sum(tag == "img" for tag, _ in page.elements) == 2
    assert "Violations: 0" in text
    assert "0123abc" in text
    assert '<strong class="bad">' not in text
    assert made_report(results, subsets, accuracy, tmp_path) == text


def test_numbers_of_the_headline_are_those_of_the_table(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    text = made_report(results, subsets, accuracy, tmp_path)
    for row in over_seeds(accuracy).iter_rows(named=True):
        if row["training_set"] in ("baseline", "sketch_pruned", "reference_only"):
            low, high = 100 * row["score_low"], 100 * row["score_high"]
            assert f"{100 * row['score']:.1f} ({low:.1f}\N{EN DASH}{high:.1f})" in text


def test_names_are_escaped(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    named = accuracy.with_columns(
        pl.col("training_set", "test_set").replace({"baseline": EVIL, "sketch": EVIL})
    )
    changed = [
        Subset(**{**vars(subset), "subset": EVIL}) if subset.subset == "baseline" else subset
        for subset in subsets
    ]
    text = made_report(
        results, changed, named, tmp_path, study=EVIL, commit=EVIL, sets=None, config={"a": EVIL}
    )
    assert text.count("<script") == 1  # the report's own, which its policy allows
    assert "&lt;script&gt;" in text


def test_report_opens_with_question_answer_and_pictures(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    drawn = ("profile", "accuracy_by_size", "neighbours_sketch")
    text = made_report(results, subsets, accuracy, tmp_path, drawn=drawn)
    places = [
        *("How much of a CLIP model", 'id="answer"', "On sketch (n = 80)", 'id="pictures"'),
        *('id="figure-neighbours_sketch"', 'id="figure-accuracy_by_size"', 'id="accuracies"'),
        *('id="figures"', 'id="figure-profile"', 'id="tables"'),
    ]
    found = [text.index(place) for place in places]
    assert found == sorted(found)


def hand_made(
    top1: dict[str, float], chance: float = 0.025, one_class: float = 0.1, seeds: int = 1
) -> pl.DataFrame:
    rows = [
        {
            "training_set": name, "seed": seed, "test_set": "sketch", "n": 500, "metric": "top1",
            "score": v, "score_low": v - 0.04, "score_high": v + 0.04, "chance": chance,
            "one_class": one_class,
        }
        for name, v in top1.items()
        for seed in range(seeds)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=COLUMNS)


def difference(name: str, low: float, high: float, remains: float | None = None) -> Difference:
    share = (remains, remains, remains)
    told = low > 0 or high < 0
    return Difference(
        name, "sketch", "top1", (low + high) / 2, low, high, told, False, 500, 1, *share
    )


def test_headline_gives_the_share_that_remains(subsets: list[Subset]) -> None:
    table = hand_made({"baseline": 0.6, "reference_only": 0.1, "sketch_pruned": 0.5})
    rows = [
        difference("reference_only", -0.54, -0.46),
        difference("sketch_pruned", -0.14, -0.06, 0.8),
    ]
    sentences = headline_sentences(table, subsets, rows)
    assert sentences[0].startswith(
        "On sketch (n = 500), which sketch_pruned is matched to, baseline"
    )
    assert "60.0 % (56.0\N{EN DASH}64.0)" in sentences[0]
    assert "50.0 points (46.0\N{EN DASH}54.0) below baseline" in sentences[1]
    assert "10.0 points (6.0\N{EN DASH}14.0) below baseline; 80 % (80 to 80)" in sentences[-1]
    pruned = next(subset for subset in subsets if subset.subset == "sketch_pruned")
    assert f"{pruned.pruned:,} of {pruned.pool:,}" in sentences[-1]
    assert headline_sentences(hand_made({"sketch_pruned": 0.5}), subsets, []) == []


def test_headline_says_that_a_share_may_be_none(subsets: list[Subset]) -> None:
    table = hand_made({"baseline": 0.6, "reference_only": 0.1, "sketch_pruned": 0.14})
    share = (0.09, 0.0, 0.19)
    row = Difference(
        "sketch_pruned", "sketch", "top1", -0.46, -0.5, -0.4, True, False, 500, 1, *share
    )
    assert headline_sentences(table, subsets, [row])[-1].endswith(
        "; 9 % (0 to 19) of baseline's gain over the reference alone remains, which is not "
        "distinguishable from zero."
    )


def test_headline_tells_no_difference_that_may_be_none(subsets: list[Subset]) -> None:
    table = hand_made(
        {"baseline": 0.035, "reference_only": 0.025, "sketch_pruned": 0.035}, chance=-0.1
    )
    rows = [
        difference("reference_only", -0.03, 0.01),
        difference("sketch_pruned", -0.02, 0.02),
    ]
    sentences = headline_sentences(table, subsets, rows)
    assert "not distinguishable from baseline (-1.0 points, 95 % interval -3.0" in sentences[1]
    assert sentences[-1].endswith("-2.0 to +2.0).")


def test_headline_names_what_pruning_as_many_does(subsets: list[Subset]) -> None:
    accuracies = {"baseline": 0.6, "sketch_pruned": 0.3, "random_50": 0.5, "near_sketch_50": 0.2}
    told = headline_sentences(hand_made(accuracies), subsets, [])
    assert [sentence.partition(" pool images (")[2] for sentence in told[1:]] == [
        "those that gap matching prunes for sketch), reaches 30.0 % (26.0\N{EN DASH}34.0).",
        "chosen at random), reaches 50.0 % (46.0\N{EN DASH}54.0).",
        "those nearest to sketch), reaches 20.0 % (16.0\N{EN DASH}24.0).",
    ]


def test_equal_models_are_not_told_as_a_measured_difference_of_zero(
    subsets: list[Subset],
) -> None:
    none = (None, None, None)
    row = Difference("sketch_pruned", "sketch", "top1", 0.0, 0.0, 0.0, False, False, 500, 1, *none)
    told = headline_sentences(hand_made({"baseline": 0.5, "sketch_pruned": 0.5}), subsets, [row])
    assert told[-1].endswith(
        "reaches 50.0 % (46.0\N{EN DASH}54.0), right on the same images as baseline."
    )
    assert row.text == "none: the same on all images"


def embedders(right: float, low: float, n: int = 200) -> pl.DataFrame:
    row = ("own", "sketch", n, 300, right, low, right, 0.05)
    return embedder_table([dict(zip(EMBEDDERS, row, strict=True))])


def test_cautions_name_what_is_not_better_than_chance() -> None:
    table = hand_made(
        {"baseline": 0.6, "reference_only": 0.29, "sketch_pruned": 0.1}, chance=0.27, seeds=2
    )
    assert caution_sentences(table, embedders(0.5, 0.4), []) == [
        "reference_only and sketch_pruned are not better than chance on sketch (27.0 %): gains and "
        "losses there mean nothing."
    ]
    assert caution_sentences(table, embedders(0.5, 0.4), [], ["baseline"]) == []


def recalls(low: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "training_set": ["baseline", "sketch_pruned"], "test_set": "captioned",
            "direction": "image_to_text", "n": 180, "recall": [0.4, 0.3], "low": [0.3, low],
            "high": [0.5, 0.4], "chance": 0.1,
        }
    )  # fmt: skip


def test_retrieval_is_told_and_judged_by_chance(subsets: list[Subset]) -> None:
    table = hand_made({"baseline": 0.6, "sketch_pruned": 0.5}, seeds=2)
    told = headline_sentences(table, subsets, [], recalls=recalls(0.2))
    assert told[-1] == (
        "On captioned (n = 180 images with captions), baseline reaches a recall at 1 of 40.0 % "
        "(30.0\N{EN DASH}50.0) from image to text."
    )
    assert caution_sentences(table, embedders(0.5, 0.4), [], recalls=recalls(0.2)) == []
    assert caution_sentences(table, embedders(0.5, 0.4), [], recalls=recalls(0.1)) == [
        "sketch_pruned is not better than chance on captioned, image to text, recall at 1 "
        "(10.0 %): gains and losses there mean nothing."
    ]


def test_no_difference_is_told_between_models_at_chance(subsets: list[Subset]) -> None:
    table = hand_made({"baseline": 0.03, "reference_only": 0.2, "sketch_pruned": 0.01}, chance=0.1)
    rows = [difference("reference_only", 0.1, 0.2), difference("sketch_pruned", -0.03, -0.01)]
    told = headline_sentences(table, subsets, rows)
    assert "15.0 points (10.0\N{EN DASH}20.0) above baseline" in told[1]
    assert told[2].endswith("no better than chance, as baseline is.")


def test_cautions_name_models_that_answer_with_one_class() -> None:
    table = hand_made({"baseline": 0.6}, one_class=0.95, seeds=2)
    (told,) = caution_sentences(table, embedders(0.5, 0.4), [])
    assert told.startswith("baseline gives one answer for more than 90.0 % of the images of sket")
    assert not caution_sentences(hand_made({"a": 1.0}, 0.95, 0.95, 2), embedders(0.5, 0.4), [])


def test_cautions_tell_that_there_is_one_seed() -> None:
    one = hand_made({"baseline": 0.6})
    assert caution_sentences(one, embedders(0.5, 0.4), []) == [
        "With one seed, intervals are over test images alone: they do not tell what another seed "
        "would give."
    ]


def test_headline_is_of_a_test_set_on_which_the_baseline_is_better_than_chance(
    subsets: list[Subset],
) -> None:
    chosen = [one for one in subsets if one.subset in ("baseline", "sketch_pruned")]
    chosen.append(dataclasses.replace(chosen[1], subset="val_pruned", test_sets=("val",)))
    good = hand_made({"baseline": 0.6, "sketch_pruned": 0.5, "val_pruned": 0.5})
    useless = hand_made({"baseline": 0.02, "sketch_pruned": 0.02, "val_pruned": 0.02})
    both = pl.concat([useless, good.with_columns(test_set=pl.lit("val"))])
    told = headline_sentences(both, chosen, [])
    assert told[0].startswith("On val (n = 500), which val_pruned is matched to, baseline")
    assert headline_sentences(useless, chosen, [])[0].startswith("On sketch")


def test_cautions_name_an_embedder_that_finds_nothing_alike() -> None:
    table = hand_made({"baseline": 0.6}, seeds=2)
    (told,) = caution_sentences(table, embedders(0.08, 0.05), [])
    assert told.startswith(
        "Of the 200 images of sketch whose class the reference holds, 8.0 % share it with the "
        "reference image that the embedder own finds nearest. One image for all of them would "
        "reach 5.0 %: "
    )
    assert caution_sentences(table, embedders(0.08, 0.051), []) == []
    assert caution_sentences(table, embedders(0.0, 0.0, n=0), []) == []


def test_cautions_name_a_pool_that_deduplication_emptied(subsets: list[Subset]) -> None:
    table = hand_made({"baseline": 0.6}, seeds=2)
    assert caution_sentences(table, embedder_table([]), subsets) == []
    little = dataclasses.replace(subsets[0], embedded=1000, pool=249, duplicates=751)
    (told,) = caution_sentences(table, embedder_table([]), [little])
    assert told.startswith("Deduplication left 249 of the pool's 1,000 samples: ")


def test_the_report_shows_chance_and_cautions(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    text = made_report(results, subsets, accuracy, tmp_path, embedders=embedders(0.08, 0.05))
    assert "the embedder own finds nearest" in text
    assert '<th scope="row">(chance)</th>' in text


def test_counts_reconcile_and_losses_are_seen(results: Path, subsets: list[Subset]) -> None:
    datasets = counts(results)
    assert {one.dataset for one in datasets} == set(CHUNK_ROWS)
    pool = next(one for one in datasets if one.dataset == "pool")
    assert (pool.failed, pool.embedded) == (2 * FAILED, 260)
    assert pool.rejected == {"cannot be decoded": 2}
    assert all(one.reconciles for one in datasets)
    pool.downloaded += 1
    assert not pool.reconciles
    assert all(subset_reconciles(subset) for subset in subsets)
    lost = Subset(**{**vars(subsets[2]), "kept": subsets[2].kept - 1})
    assert not subset_reconciles(lost)


def test_report_shouts_when_something_is_wrong(
    results: Path, subsets: list[Subset], accuracy: pl.DataFrame, tmp_path: Path
) -> None:
    lost = [Subset(**{**vars(subsets[0]), "pruned": 3}), *subsets[1:]]
    assert '<strong class="bad">' in made_report(results, lost, accuracy, tmp_path)
    text = made_report(results, subsets, accuracy, tmp_path, certificates={})
    assert "verdict failed" in text
    assert "Not certified: sketch_pruned, combined_pruned" in text


def test_a_missing_figure_stops_the_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"similarity_gap\.png"):
        report.figure_context(tmp_path / "similarity_gap")
    (tmp_path / "pruned.png").write_text("<html>404</html>")
    with pytest.raises(InputError, match="not a PNG"):
        report.figure_context(tmp_path / "pruned")


def test_certificate_of_a_subset_that_keeps_nothing(subsets: list[Subset]) -> None:
    matched = [one.subset for one in subsets if one.method == "gap_match"]
    empty = {"violations": 0, "max_excess": None, "test_images": 3}
    said = report.certificate_sentence(subsets, dict.fromkeys(matched, empty))
    assert said["good"]
    assert "Violations: 0" in said["text"]


def test_a_grid_is_told_in_sentences() -> None:
    cells = {"test_set": "val", "metric": "top1", "n": 300, "sizes": 3, "clusters": 3, "models": 9}
    slopes = {"size": (0.5, 0.2, 0.8), "diversity": (-0.1, -0.4, 0.2), "rest": (None, None, None)}
    rows = [
        {
            **cells,
            "factor": factor,
            **dict(zip(("slope", "slope_low", "slope_high"), one, strict=True)),
        }
        for factor, one in slopes.items()
    ]
    table = pl.DataFrame(rows, schema=FACTORS)
    (sentence,) = factor_sentences(table, {}, ["a", "b"])
    assert sentence == (
        "On val (n = 300), twice as many pool images change the logit of the score by +0.50 (95 % "
        "interval +0.20 to +0.80); twice as many clusters have no effect distinguishable from zero "
        "(-0.10 on that logit, 95 % interval -0.40 to +0.20)."
    )
    (doubtful,) = factor_sentences(table, {"val": ["b", "baseline"]}, ["a", "b"])
    assert "1 of the grid's 2 subsets is not better than chance there" in doubtful
    empty = table.with_columns(slope=pl.lit(None, pl.Float64))
    assert factor_sentences(empty, {}, ["a"]) == [
        "On val (n = 300), all cells of the grid are equal."
    ]
