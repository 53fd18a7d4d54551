"""Settings of all tests, and the study that many of them look at."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from smoke_study import RESULTS, check_out, run

if not torch.cuda.is_available():
    # Kernels are interpreted, as is what Triton itself holds: so before anything imports it.
    os.environ["TRITON_INTERPRET"] = "1"
# As in rules/common.smk: tests run side by side, and beside other programs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# How long an example takes depends on what else the machine does: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the cluster's tests, which mostly wait, then whole studies."""
    folders = ["slurm", "workflow", "browser", "unit", "gpu"]
    tests = Path(__file__).parent
    items.sort(key=lambda item: folders.index(item.path.relative_to(tests).parts[0]))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A checkout in which the smoke study ran to its end; tests change nothing there.

    Whichever process of the tests asks first makes it, the others wait for it.
    """
    place = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        place = place.parent  # that of all processes
    folder = place / "checkout"
    complete = place / "checkout.complete"
    with FileLock(place / "checkout.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run(check_out(folder))
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def results(checkout: Path) -> Path:
    """The results of the undisturbed smoke study."""
    return checkout / RESULTS
