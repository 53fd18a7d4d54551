"""Kills on the way of the smoke study: it goes on and ends with the same results."""

from pathlib import Path

import pytest
from programs import kill_when
from smoke_study import RESULTS, check_out, run, snakemake

pytestmark = pytest.mark.workflow


def test_killed_runs_end_with_the_same_subsets_and_models(
    results: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = check_out(tmp_path_factory.mktemp("killed"))
    state = folder / RESULTS / "state"
    for stage in (
        "train_embedder/trained/run/checkpoints/epoch_latest.pt",
        "embed/trained/pool/*/*.rejected.parquet",
        "train/*/seed0/run/checkpoints/epoch_latest.pt",
    ):
        kill_when(lambda stage=stage: any(state.glob(stage)), snakemake(), folder)
        run(folder, "--unlock")
    run(folder)
    for pattern, number in (("subsets/*/kept/*.parquet", 8), ("subsets/*/summary.json", 4)):
        paths = sorted(results.glob(pattern))
        assert len(paths) == number
        for path in paths:
            other = folder / RESULTS / path.relative_to(results)
            assert other.read_bytes() == path.read_bytes(), path
    # Equal weights give equal predictions, and these the same table.
    table = "tables/accuracy.csv"
    assert (folder / RESULTS / table).read_bytes() == (results / table).read_bytes()
