"""Make the report of a made study."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from made_results import CHUNK_ROWS
from PIL import Image
from programs import ROOT

from gapmatch.report import report
from gapmatch.results.counts import DatasetCounts, count_datasets
from gapmatch.results.summaries import Subset, read_certificates
from gapmatch.results.table_files import write_table
from gapmatch.tables.accuracy import accuracy_matrix
from gapmatch.tables.embedders import embedder_table

RESOURCES = ROOT / "resources"


def counts(results: Path) -> list[DatasetCounts]:
    return count_datasets(
        sorted(results.glob("data/*/*/chunk.json")),
        {name: results / f"embeddings/e/{name}" for name in CHUNK_ROWS},
    )


def made_report(
    results: Path,
    subsets: list[Subset],
    accuracy: pl.DataFrame,
    folder: Path,
    drawn: Sequence[str] = ("similarity_gap", "neighbours_sketch"),
    **changes: object,
) -> str:
    """Render the report of a made study, with figures of a single colour."""
    figures = [folder / name for name in drawn]
    for stem in figures:
        Image.new("RGB", (9, 9)).save(f"{stem}.png")
    write_table(accuracy, folder / "accuracy", "c", shown=accuracy_matrix(accuracy))
    arguments = {
        "study": "made",
        "config": {"study": "made", "note": "</pre>"},
        "commit": "0123abc",
        "accuracy": accuracy,
        "sets": ["baseline", "sketch_pruned", "reference_only"],
        "differences": [],
        "embedders": embedder_table([]),
        "subsets": subsets,
        "certificates": read_certificates(sorted(results.glob("subsets/*/certificate.json"))),
        "datasets": counts(results),
        "tables": [report.table_context(folder / "accuracy")],
        "figures": [report.figure_context(stem) for stem in figures],
    }
    return report.render(RESOURCES / "report.html.j2", **{**arguments, **changes})
