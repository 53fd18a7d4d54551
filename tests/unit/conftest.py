"""Results of a small study that were made by hand, for the tests of tables, figures and report."""

from pathlib import Path

import polars as pl
import pytest
from made_results import SUBSETS, make_results

from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import Subset, read_subsets
from gapmatch.tables.accuracy import accuracy_table
from gapmatch.tables.subsets import TrainingSet, subset_table, training_sets


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the study; tests change nothing there."""
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def subsets(results: Path) -> list[Subset]:
    """Its subsets."""
    return read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])


@pytest.fixture(scope="session")
def sets(subsets: list[Subset]) -> list[TrainingSet]:
    """What is trained on."""
    return training_sets(subset_table(subsets, {}, 70, {}))


@pytest.fixture(scope="session")
def accuracy(results: Path) -> pl.DataFrame:
    """The accuracy table."""
    paths = [path for name in SUBSETS for path in results.glob(f"evaluations/{name}/*/*.json")]
    return accuracy_table(read_evaluations(paths))
