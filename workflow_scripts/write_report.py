"""Write the report of a study: one HTML file that holds its figures, tables and counts."""

import argparse
from pathlib import Path

from gapmatch.report import report
from gapmatch.report.counts import count_datasets
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import named_path, run
from gapmatch.running.result_files import read_object
from gapmatch.tables.accuracy import read_accuracy
from gapmatch.tables.differences import read_differences
from gapmatch.tables.embedder_table import read_embedder_table
from gapmatch.tables.summaries import read_certificates, read_subsets


def main() -> None:
    """Parse the arguments, read everything, write the report."""
    arguments = _parser().parse_args()
    text = report.render(
        arguments.template,
        study=arguments.study,
        config=read_object(arguments.config, ()),
        commit=arguments.commit,
        accuracy=read_accuracy(arguments.accuracy),
        sets=arguments.sets,
        differences=read_differences(arguments.differences),
        embedders=read_embedder_table(arguments.embedders),
        subsets=read_subsets(arguments.summaries),
        certificates=read_certificates(arguments.certificates),
        datasets=count_datasets(arguments.chunks, dict(arguments.embeddings)),
        tables=[report.table_context(stem, arguments.captions) for stem in arguments.tables],
        figures=[report.figure_context(stem, arguments.captions) for stem in arguments.figures],
    )
    write_text(arguments.out, text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="name of the study")
    one_file = {
        "--config": "resolved config as JSON",
        "--accuracy": "CSV that tabulate_accuracy.py wrote",
        "--differences": "CSV that tabulate_differences.py wrote",
        "--embedders": "CSV that tabulate_embedders.py wrote",
        "--captions": "folder with FIGURE.rst and table_TABLE.rst",
        "--template": "Jinja2 template of the report",
        "--out": "HTML file to write",
    }
    for name, description in one_file.items():
        parser.add_argument(name, type=Path, required=True, help=description)
    parser.add_argument("--commit", required=True, help="commit of the workflow")
    parser.add_argument(
        "--sets", nargs="+", help="training sets of the headline (default: all), in its order"
    )
    many_files = {
        "--summaries": "summary.json of every subset, in the order of the study",
        "--chunks": "chunk.json of every chunk of every dataset",
        "--tables": "tables to show, as paths without suffix",
        "--figures": "figures to show, as paths without suffix",
    }
    for name, description in many_files.items():
        parser.add_argument(name, type=Path, nargs="+", required=True, help=description)
    parser.add_argument(
        "--certificates",
        type=Path,
        nargs="*",
        default=[],
        help="certificate.json of every gap-matched subset",
    )
    parser.add_argument(
        "--embeddings",
        type=named_path,
        nargs="+",
        required=True,
        metavar="DATASET=DIR",
        help="folder with metadata/ and rejected/ of each dataset, for its counts",
    )
    return parser


if __name__ == "__main__":
    run(main)
