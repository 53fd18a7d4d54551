"""Subsets that differ in diversity, style or balance: run whole, on the finished smoke study."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from smoke_study import RESULTS, STUDY, run
from test_reexecution import copied

from gapmatch.tables.factors import read_factors

pytestmark = pytest.mark.workflow

SHARES = [{"line": 1.0, "twemoji": 0.0}, {"line": 0.5, "twemoji": 0.5}]
ADDED = {
    "diverse_{keep}_{clusters}": {"method": "diverse", "keep": [12, 24], "clusters": [3, 6]},
    "mixed_{shares}": {"method": "style", "keep": 8, "shares": SHARES},
    "only_line": {"method": "style", "shares": {"line": 1.0}},
    "balanced": {"method": "balanced", "cap": 1},
    "worded": {"method": "balanced", "cap": 2, "words": "words.txt"},
    "sketch_{offset}": {"method": "gap_match", "test_sets": ["sketch"], "offset": [-0.1, 0.1]},
}


@pytest.fixture(scope="module")
def folder(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished smoke study in which these subsets ran too."""
    folder = copied(checkout, tmp_path_factory.mktemp("properties"))
    values = yaml.safe_load((folder / STUDY).read_text(encoding="utf-8"))
    values["clusters"] = {"number": 8}
    values["styles"] = {"threshold": 0.0}
    values["subsets"] |= ADDED
    (folder / "words.txt").write_text("fox\ncat\nface\n")
    study = folder / "properties.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    run(folder, study=study)
    return folder


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / RESULTS / f"tables/{name}.csv")


def test_sizes_are_those_that_were_asked_for(folder: Path) -> None:
    subsets = {row["subset"]: row for row in table(folder, "subsets").iter_rows(named=True)}
    for keep in (12, 24):
        for clusters in (3, 6):
            row = subsets[f"diverse_{keep}_{clusters}"]
            assert (row["kept"], row["settings"]) == (keep, f'{{"clusters": {clusters}}}')
    assert subsets["mixed_line100_twemoji0"]["kept"] == 8
    assert subsets["mixed_line50_twemoji50"]["kept"] == 8
    assert 0 < subsets["balanced"]["kept"] < subsets["baseline"]["kept"]
    assert subsets["worded"]["kept"] <= 6


def test_diversity_is_measured_beside_every_subset(folder: Path) -> None:
    measures = table(folder, "diversity")
    subsets = table(folder, "subsets")
    assert measures["subset"].to_list() == subsets["subset"].to_list()
    assert measures["n"].to_list() == subsets["kept"].to_list()
    by_subset = {row["subset"]: row for row in measures.iter_rows(named=True)}
    for keep in (12, 24):
        few, many = (by_subset[f"diverse_{keep}_{clusters}"] for clusters in (3, 6))
        assert few["effective_clusters"] < many["effective_clusters"]
    assert by_subset["reference_only"]["vendi_score"] is None


def test_grids_mixtures_and_first_drops_are_shown(folder: Path) -> None:
    factors = read_factors(folder / RESULTS / "tables/factors.csv")
    assert set(factors["test_set"]) == {"val", "sketch"}
    shares = factors.drop_nulls("share").group_by("test_set").agg(pl.col("share").sum())["share"]
    assert shares.to_list() == pytest.approx([1.0] * len(shares))
    assert factors.filter(pl.col("factor") != "rest")["slope_low"].null_count() == 0
    drops = table(folder, "first_drop")
    assert drops.select("sweep", "doses").rows() == [("offset", 3)]
    styles = table(folder, "styles")
    assert styles["style"].to_list() == ["colour", "line", "twemoji"] * 2
    for name in ("factors", "scale_and_diversity", "mixtures", "dose_response"):
        assert (folder / RESULTS / f"figures/{name}.png").stat().st_size > 10_000
    mixed = pl.read_csv(folder / RESULTS / "figures/mixtures.csv")
    assert mixed.filter(test_set="val")["share"].to_list() == [0.5, 1.0]
    report = (folder / RESULTS / "report.html").read_text(encoding="utf-8")
    for shown in ("table-diversity", "table-styles", "figure-factors", "figure-mixtures"):
        assert f'id="{shown}"' in report
    assert "other_clusters: " in report, "why a sample was pruned stands in the counts"
