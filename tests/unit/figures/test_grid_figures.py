"""Figures of grids and mixtures: every point stands where its subset does."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.text import Text

from gapmatch.figures import factors, mixtures, scale_and_diversity
from gapmatch.tables.accuracy import COLUMNS
from gapmatch.tables.factors import SCHEMA
from gapmatch.tables.subsets import TrainingSet


def texts(figure: Figure) -> set[str]:
    """Return all that is written on a figure."""
    return {text.get_text() for text in figure.findobj(Text)}


def training_set(name: str, method: str, kept: int, settings: dict[str, object]) -> TrainingSet:
    return TrainingSet(name, method, (), None, None, "e", 9000, kept, 9000 - kept, 100, settings)


def accuracies(scores: dict[str, float]) -> pl.DataFrame:
    rows = [
        {
            "training_set": name, "seed": seed, "test_set": test_set, "n": 400, "metric": "top1",
            "score": score, "score_low": score - 0.05, "score_high": score + 0.05, "chance": 0.1,
            "one_class": 0.2,
        }
        for name, score in scores.items()
        for test_set in ("val", "sketch")
        for seed in (0, 1)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=COLUMNS)


def test_a_grid_is_drawn_over_size_and_over_clusters() -> None:
    sets = [
        training_set(f"d{size}_{clusters}{again}", "diverse", size, {"clusters": clusters})
        for size in (100, 200)
        for clusters in (5, 20, 80)
        for again in ("", "_1")
    ]
    scores = {one.subset: 0.1 + 0.001 * one.kept + 0.002 * one.settings["clusters"] for one in sets}
    scores["d100_5_1"] += 0.1
    frame = scale_and_diversity.grid_rows(accuracies(scores), sets)
    assert len(frame) == 12
    cell = frame.filter(test_set="val", size=100, clusters=5).row(0, named=True)
    assert cell["models"] == 4
    np.testing.assert_allclose(cell["score"], 0.1 + 0.1 + 0.01 + 0.05)
    figure = scale_and_diversity.draw(frame)
    assert {"100 images", "200 images", "5 clusters", "80 clusters"} <= texts(figure)
    over_size, over_clusters = figure.axes[:2]
    assert len(over_size.containers) == 3
    assert len(over_clusters.containers) == 2
    drawn = over_clusters.containers[1].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, [0.31, 0.34, 0.46])
    assert "no diverse subsets" in texts(scale_and_diversity.draw(frame.clear()))


def test_mixtures_of_two_styles_are_one_line_for_each_test_set() -> None:
    sets = [
        training_set("line", "style", 50, {"shares": {"line": 1.0}}),
        training_set("half", "style", 50, {"shares": {"line": 0.5, "photo": 0.5}}),
        training_set("photo", "style", 50, {"shares": {"photo": 1.0}}),
        training_set("all_lines", "style", 70, {"shares": {"line": 1.0}}),
        training_set("oil", "style", 50, {"shares": {"oil": 1.0}}),
    ]
    known = mixtures.mixtures(sets)
    assert known["training_set"].to_list() == ["photo", "half", "line"]
    assert known["share"].to_list() == [0, 0.5, 1]
    assert known["mixture"].unique().to_list() == ["line and photo, 50 images"]
    scores = {"line": 0.3, "half": 0.4, "photo": 0.2}
    frame = known.join(
        accuracies(scores).filter(seed=0).drop("seed"), on="training_set", maintain_order="left"
    )
    figure = mixtures.draw(frame)
    assert {"share of line", "line and photo, 50 images", "val (n = 400)"} <= texts(figure)
    drawn = figure.axes[0].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, [0.2, 0.4, 0.3])
    assert "no mixtures of two styles at one size" in texts(mixtures.draw(frame.clear()))


def test_factors_are_drawn_with_their_intervals() -> None:
    rows = [
        {
            "test_set": test_set, "metric": "top1", "n": 400, "sizes": 3, "clusters": 3,
            "models": 18, "factor": factor, "share": share, "share_low": share - 0.1,
            "share_high": share + 0.1, "slope": slope, "slope_low": slope and slope - 0.1,
            "slope_high": slope and slope + 0.1,
        }
        for test_set in ("val", "sketch")
        for factor, share, slope in (
            ("size", 0.6, 0.3), ("diversity", 0.3, 0.1), ("rest", 0.1, None),
        )
    ]  # fmt: skip
    figure = factors.draw(pl.DataFrame(rows, schema=SCHEMA))
    shares, slopes = figure.axes[:2]
    assert [label.get_text() for label in shares.get_yticklabels()] == [
        "val (n = 400)", "sketch (n = 400)",
    ]  # fmt: skip
    assert (len(shares.containers), len(slopes.containers)) == (3, 2)
    np.testing.assert_allclose(shares.containers[0].lines[0].get_xdata(), [0.6, 0.6])
    assert "no complete grid of diverse subsets" in texts(factors.draw(pl.DataFrame(schema=SCHEMA)))
