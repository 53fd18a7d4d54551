"""The SLURM cluster that the tests of this folder share."""

from collections.abc import Iterator

import pytest
from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster; ``cluster.environment`` is what commands need to find it."""
    why = missing()
    if why:
        pytest.skip(f"no SLURM cluster: {why}")
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    made.up()
    try:
        yield made
    finally:
        made.down()
