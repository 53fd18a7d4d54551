"""What docs/extending.md says of extensions: one module each, written into its folder and run."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from programs import ROOT
from smoke_study import RESULTS, read_json, run
from test_reexecution import changed_study, copied

from gapmatch.data.chunks import read_chunk
from gapmatch.data.shards import read_samples

pytestmark = pytest.mark.workflow

PACKAGE = Path("workflow_scripts/gapmatch")
PLACES = {
    "METHOD = ": PACKAGE / "subset" / "methods" / "band.py",
    "FIGURE = ": PACKAGE / "figures" / "kept.py",
    "TABLE = ": PACKAGE / "tables" / "reasons.py",
    "EMBEDDER = ": PACKAGE / "embed" / "embedders" / "mean_colour.py",
    "SOURCE = ": PACKAGE / "download" / "sources" / "imagelist.py",
}


def modules() -> dict[Path, str]:
    """Return the modules that the page shows, by the file that each belongs into."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return {
        path: next(block for block in blocks if f"\n{mark}" in block)
        for mark, path in PLACES.items()
    }


@pytest.fixture
def extended(checkout: Path, tmp_path: Path) -> Path:
    """A copy of the completed study, with the modules of the page in their folders."""
    folder = copied(checkout, tmp_path)
    for path, text in modules().items():
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_a_source_is_one_module(extended: Path, tmp_path: Path) -> None:
    root = extended / RESULTS / "emoji" / "sketch"
    images = sorted(path.relative_to(root) for path in root.glob("*/*.jpg"))[::2]
    rows = {"path": list(map(str, images)), "class": [path.parent.name for path in images]}
    pl.DataFrame(rows).write_csv(tmp_path / "list.csv")
    source = {"kind": "imagelist", "root": str(root), "table": str(tmp_path / "list.csv")}
    study = changed_study({"test_sets.listed": {"source": source}}, tmp_path)
    run(extended, f"{RESULTS}/data/listed/00000", study=study)
    chunk = read_chunk(extended / RESULTS / "data/listed/00000")
    assert chunk.samples == len(images) > 0
    assert chunk.classes == tuple(sorted(set(rows["class"])))
    labels = [
        int(members["cls"]) for shard in chunk.shards for _, members in read_samples(shard.path)
    ]
    # Packed in a seeded order.
    assert sorted(labels) == [chunk.classes.index(name) for name in rows["class"]]
    missing = changed_study({"test_sets.listed": {"source": source | {"root": "/no"}}}, tmp_path)
    assert "test_sets.listed.source.root: /no does not exist" in run(
        extended, "-n", study=missing, status=1
    )


def test_an_embedder_is_one_module(extended: Path, tmp_path: Path) -> None:
    study = changed_study({"embedders.colours": {"kind": "mean_colour"}}, tmp_path)
    target = f"{RESULTS}/embeddings/colours/val/img_emb/img_emb_00000.npy"
    run(extended, target, study=study)
    vectors = np.load(extended / target)
    assert vectors.shape == (read_chunk(extended / RESULTS / "data/val/00000").samples, 12)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-3)


def test_a_method_a_table_and_a_figure_are_one_module_each(extended: Path, tmp_path: Path) -> None:
    folder = extended
    margins = [
        pl.read_parquet(
            folder / RESULTS / f"similarity/trained/sketch/margins/margins_{chunk}.parquet"
        )
        for chunk in ("00000", "00001")
    ]
    nearest = [table["nearest_similarity"].to_numpy() for table in margins]
    low, high = (float(bound) for bound in np.quantile(np.concatenate(nearest), [0.3, 0.7]))
    band = {"method": "band", "test_sets": ["sketch"], "low": low, "high": high}
    said = run(folder, study=changed_study({"subsets.a_band": band}, tmp_path))
    assert "Selecting the subset a_band" in said

    summary = read_json(folder / RESULTS / "subsets/a_band/summary.json")
    assert (summary["method"], summary["test_sets"]) == ("band", ["sketch"])
    assert summary["pruned_by"] == {"band": summary["pruned"]}
    for chunk, similarity in zip(("00000", "00001"), nearest, strict=True):
        pool = folder / RESULTS / f"subsets/baseline/kept/kept_{chunk}.parquet"
        kept = folder / RESULTS / f"subsets/a_band/kept/kept_{chunk}.parquet"
        rows = pl.read_parquet(pool)["row"].to_numpy()
        inside = (similarity[rows] >= low) & (similarity[rows] < high)
        np.testing.assert_array_equal(pl.read_parquet(kept)["row"].to_numpy(), rows[inside])
    drawn = pl.read_csv(folder / RESULTS / "figures/kept.csv")
    assert dict(drawn.iter_rows())["a_band"] == summary["kept"] > 0
    reasons = pl.read_csv(folder / RESULTS / "tables/reasons.csv")
    assert ("a_band", "band", summary["pruned"]) in reasons.rows()
    report = (folder / RESULTS / "report.html").read_text(encoding="utf-8")
    assert 'id="figure-kept"' in report
    assert 'id="table-reasons"' in report
    assert "How much of the pool each subset keeps: n, the number of samples." in report
    assert "those outside of a band of similarity to sketch" not in report  # not of the headline

    # A misspelled key of the new method is told like any other.
    wrong = changed_study({"subsets.a_band": band | {"hihg": 1.0}}, tmp_path)
    assert "subsets.a_band.hihg: unknown key" in run(folder, "-n", study=wrong, status=1)
