"""What docs/extending.md says of extensions: one module each, written into its folder and run."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from programs import ROOT
from smoke_study import RESULTS, read_json, run
from test_reexecution import changed_study, copied

pytestmark = pytest.mark.workflow

PACKAGE = Path("workflow_scripts/gapmatch")
PLACES = {
    "METHOD = ": PACKAGE / "subset" / "methods" / "band.py",
    "FIGURE = ": PACKAGE / "figures" / "kept.py",
}


def modules() -> dict[Path, str]:
    """Return the modules that the page shows, by the file that each belongs into."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return {
        path: next(block for block in blocks if f"\n{mark}" in block)
        for mark, path in PLACES.items()
    }


def test_a_module_is_all_that_an_extension_needs(checkout: Path, tmp_path: Path) -> None:
    folder = copied(checkout, tmp_path)
    for path, text in modules().items():
        (folder / path).write_text(text, encoding="utf-8")
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
    report = (folder / RESULTS / "report.html").read_text(encoding="utf-8")
    assert 'id="figure-kept"' in report
    assert "How much of the pool each subset keeps: n, the number of samples." in report
    assert "those outside of a band of similarity to sketch" not in report  # not of the headline

    # A misspelled key of the new method is told like any other.
    wrong = changed_study({"subsets.a_band": band | {"hihg": 1.0}}, tmp_path)
    assert "subsets.a_band.hihg: unknown key" in run(folder, "-n", study=wrong, status=1)
