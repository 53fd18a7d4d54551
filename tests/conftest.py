"""Settings of all tests, and the study that many of them look at."""

from pathlib import Path

import pytest
from hypothesis import settings
from smoke_study import RESULTS, check_out, run

# How long an example takes depends on what else the machine does: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the smoke study ran to its end; tests change nothing there."""
    folder = check_out(tmp_path_factory.mktemp("checkout"))
    run(folder)
    return folder


@pytest.fixture(scope="session")
def results(checkout: Path) -> Path:
    """The results of the undisturbed smoke study."""
    return checkout / RESULTS
