"""What `make demo` ends with: the study's answer as text."""

from pathlib import Path
from textwrap import fill

from tabulate import tabulate

from gapmatch.report.cautions import caution_sentences
from gapmatch.report.headline import headline_sentences
from gapmatch.results.summaries import read_subsets
from gapmatch.tables.accuracy import accuracy_matrix, read_accuracy, select_sets
from gapmatch.tables.differences import read_differences
from gapmatch.tables.embedders import read_embedder_table
from gapmatch.tables.retrieval import first_recalls, read_retrieval

WIDTH = 100


def print_headline(
    *,
    tables: Path,
    summaries: list[Path],
    report: Path,
    sets: list[str] | None = None,
) -> None:
    """Print what a study found: its headline as text, and where the report is.

    Args:
        tables: Folder of the study's tables.
        summaries: summary.json of every subset.
        report: Report to point to.
        sets: Training sets to print, in this order; all where none is named.
    """
    accuracy = read_accuracy(tables / "accuracy.csv")
    matrix = accuracy_matrix(select_sets(accuracy, sets))
    subsets = read_subsets(summaries)
    embedders = read_embedder_table(tables / "embedders.csv")
    retrieval = tables / "retrieval.csv"
    recalls = first_recalls(read_retrieval(retrieval)) if retrieval.exists() else None
    differences = read_differences(tables / "differences.csv")
    sentences = [
        *caution_sentences(accuracy, embedders, subsets, sets, recalls),
        *headline_sentences(accuracy, subsets, differences, sets, recalls),
    ]
    align = ["left", *["right"] * (matrix.width - 1)]
    print("Zero-shot accuracy, % (95 % bootstrap interval over test images)\n")
    print(tabulate(matrix.rows(), matrix.columns, disable_numparse=True, colalign=align))
    print("\n" + "\n".join(fill(text, WIDTH, subsequent_indent="  ") for text in sentences))
    print(f"\nReport: {report}")
