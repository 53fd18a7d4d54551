"""Writing the report: from result files to one HTML file."""

from pathlib import Path

from gapmatch.report import report
from gapmatch.results.counts import count_datasets
from gapmatch.results.summaries import read_certificates, read_subsets
from gapmatch.running.atomic import write_text
from gapmatch.running.result_files import read_object
from gapmatch.tables.accuracy import read_accuracy
from gapmatch.tables.differences import read_differences
from gapmatch.tables.embedders import read_embedder_table
from gapmatch.tables.factors import grid_of, read_factors
from gapmatch.tables.retrieval import first_recalls, read_retrieval
from gapmatch.tables.subsets import read_training_sets


def write_report(
    *,
    study: str,
    config: Path,
    commit: str,
    sets: list[str],
    summaries: list[Path],
    certificates: list[Path] | None = None,
    chunks: list[Path],
    embeddings: list[tuple[str, Path]],
    tables: Path,
    table_names: list[str],
    figures: Path,
    figure_names: list[str],
    template: Path,
    out: Path,
) -> None:
    """Write the report of a study: one HTML file that holds its figures, tables and counts.

    Args:
        study: Name of the study.
        config: Resolved config as JSON.
        commit: Commit of the workflow.
        sets: Training sets of the headline, in its order.
        summaries: summary.json of every subset, in the order of the study.
        certificates: certificate.json of every gap-matched subset.
        chunks: chunk.json of every chunk of every dataset.
        embeddings: Datasets, and the folder with metadata/ and rejected/ of each, for its counts.
        tables: Folder of tables.
        table_names: Tables to show, in their order.
        figures: Folder of figures.
        figure_names: Figures to show, in their order.
        template: Jinja2 template of the report.
        out: HTML file to write.
    """
    recalls = None
    if "retrieval" in table_names:
        recalls = first_recalls(read_retrieval(tables / "retrieval.csv"))
    factors, grid = None, None
    if "factors" in table_names:
        factors = read_factors(tables / "factors.csv")
        grid = grid_of(read_training_sets(tables / "subsets.csv"))
    text = report.render(
        template,
        study=study,
        config=read_object(config, ()),
        commit=commit,
        accuracy=read_accuracy(tables / "accuracy.csv"),
        sets=sets,
        differences=read_differences(tables / "differences.csv"),
        embedders=read_embedder_table(tables / "embedders.csv"),
        subsets=read_subsets(summaries),
        certificates=read_certificates(certificates or ()),
        datasets=count_datasets(chunks, dict(embeddings)),
        tables=[report.table_context(tables / name) for name in table_names],
        figures=[report.figure_context(figures / name) for name in figure_names],
        recalls=recalls,
        factors=factors,
        gridded=[name for names in grid.cells.values() for name in names] if grid else (),
    )
    write_text(out, text)
