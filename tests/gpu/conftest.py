"""What needs a real GPU: ``make test-gpu`` runs it, ``make test`` reports it as skipped."""

from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is no GPU, and say so."""
    if torch.cuda.is_available():
        return
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.skip(reason="no GPU: make test-gpu, on a machine with one"))
