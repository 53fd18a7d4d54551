"""Similarity after pruning, against what the files say."""

from pathlib import Path

import polars as pl
from drawn import texts

from gapmatch.drawing import style
from gapmatch.figures import (
    similarity_pruned,
)
from gapmatch.results.summaries import (
    Subset,
    baseline_of,
    read_nearest,
)
from gapmatch.tables import similarity_pruned as tables_pruned


def test_after_pruning_the_training_set_has_the_profile_of_the_reference(
    results: Path, subsets: list[Subset], tmp_path: Path
) -> None:
    matched = [subset for subset in subsets if subset.method == "gap_match"]
    names = ["baseline", *[subset.subset for subset in matched]]
    nearest = {name: read_nearest(results / f"subsets/{name}/nearest.parquet") for name in names}
    frame = tables_pruned.similarity_pruned(nearest, matched, baseline_of(subsets))
    for (_, _), rows in frame.filter("matched").group_by("subset", "test_set"):
        by_curve = {str(key[0]): part for key, part in rows.group_by("curve")}
        after = by_curve["training set after"]["count"].to_list()
        assert after == by_curve["reference"]["count"].to_list()
        assert by_curve["pool before"]["count"].sum() == sum(after)
    figure = similarity_pruned.draw(frame)
    assert "sketch_pruned\non sketch, matched" in texts(figure)
    style.save(figure, frame, tmp_path / "figure")


def test_a_subset_that_keeps_nothing_has_no_pool_similarity(
    results: Path, subsets: list[Subset]
) -> None:
    empty = read_nearest(results / "subsets/reference_only/nearest.parquet")
    whole = read_nearest(results / "subsets/baseline/nearest.parquet")
    nearest = {"baseline": whole, "sketch_pruned": empty}
    sketch = [subset for subset in subsets if subset.subset == "sketch_pruned"]
    frame = tables_pruned.similarity_pruned(nearest, sketch, baseline_of(subsets))
    after = frame.filter(pl.col("curve") == "pool after")
    assert after["count"].sum() == 0
    assert after["median"].is_null().all()
    similarity_pruned.draw(frame)


def test_another_embedder_is_not_compared_with_the_baseline(
    results: Path, subsets: list[Subset]
) -> None:
    other = [Subset(**{**vars(s), "embedder": "f"}) for s in subsets if s.method == "gap_match"]
    nearest = {
        name: read_nearest(results / f"subsets/{name}/nearest.parquet")
        for name in ("baseline", *[subset.subset for subset in other])
    }
    frame = tables_pruned.similarity_pruned(nearest, other, baseline_of(subsets))
    assert "pool before" not in frame["curve"].to_list()
