"""The benchmarks run, at sizes at which they measure nothing."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from pretend_cuda import pretend_gpu
from programs import MODEL, ROOT

pytestmark = pytest.mark.workflow

TINY = {
    "search": "--dimensions 16 --tests 40 --chunk 5000 --rounds 1 --threads 1 --device cpu",
    "memory": "--chunk 3000 --limit-mb 4096 --tests 50 --dim 16",
    "deduplication": "--samples 3000 --dim 16 --clusters 3 --centroids 20 --rounds 1",
    "gpu_work": "--dim 16 --tests 300 200 --block-rows 2000",
    "input": "--images 300 --rounds 1 --workers 1 --size 32",
    "embedding": f"--model {MODEL} --images 16 --batch-size 8 --rounds 1 --size 64",
    "streaming": "--samples 300 --bytes 200 --rounds 1",
    "selection": "--chunks 2 --rows 2000 --test-sets 2",
    "browse": "--test-sets 2 --images 3 --subsets 2 --models 3 --rounds 1",
    "dag": "--chunks 3 --subsets 2 --seeds 1",
}


def test_every_benchmark_is_here() -> None:
    helpers = {"authors_method", "images", "timing"}
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - helpers == set(TINY)
    said = (ROOT / "Makefile").read_text(encoding="utf-8")
    (listed,) = (line for line in said.splitlines() if line.startswith("\tfor what in "))
    assert set(listed.split(" in ")[1].split(";")[0].split()) == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_it_prints_a_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [ROOT / folder for folder in ("workflow_scripts", "benchmarks", "tests")]
    monkeypatch.setenv("PYTHONPATH", ":".join(map(str, folders)))
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *TINY[name].split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\n| --- |" in done.stdout


def test_the_search_on_a_gpu_prints_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With nothing of FAISS's, which a pretend GPU does not run."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    command = "search --dimensions 16 --tests 40 --chunk 300 --k 3 --rounds 1 --threads 1"
    monkeypatch.setattr(sys, "argv", [*command.split(), "--device", "cuda"])
    monkeypatch.setattr("gapmatch.similarity.faiss_engine.computes_on_gpu", lambda: False)
    with pretend_gpu(errs=False):
        runpy.run_path(str(ROOT / "benchmarks" / "search.py"), run_name="__main__")
    assert "| fused, by torch |" in capsys.readouterr().out
