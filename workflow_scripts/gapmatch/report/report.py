"""The report: one HTML file with every number, table and figure of a study."""

import base64
import importlib.metadata
import json
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from gapmatch.report.cautions import caution_sentences
from gapmatch.report.grid import factor_sentences
from gapmatch.report.headline import headline_sentences, headline_test_set
from gapmatch.report.html_template import load_template
from gapmatch.results.counts import DatasetCounts, subset_reconciles
from gapmatch.results.shown import figures, kind_of
from gapmatch.results.summaries import Subset
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_object
from gapmatch.tables.accuracy import accuracy_matrix, near_chance, select_sets
from gapmatch.tables.differences import Difference

PACKAGES = (
    "snakemake", "img2dataset", "webdataset", "torch", "open_clip_torch", "faiss-cpu", "faiss-gpu",
    "numpy", "scipy", "polars", "pyarrow", "pillow", "matplotlib",
)  # fmt: skip


FIRST = ("duplicates",)
"""Tables that tell what to know before training."""


def opening_figures(test_set: str | None) -> list[str]:
    """Return the names of the figures that the report opens with, as far as a study has them.

    What resembles a test image, what gap matching takes, and what that costs.

    Args:
        test_set: That of the headline.
    """
    return [f"neighbours_{test_set}", "similarity_pruned", "accuracy_by_size"]


def table_context(stem: Path) -> dict[str, Any]:
    """Name, caption, heads and rows of the table STEM.json, and for each column if it is text.

    Raises:
        InputError: The file is missing or is no such table.
    """
    table = read_object(stem.with_name(f"{stem.name}.json"), ("caption", "heads", "align", "rows"))
    words = [side == "left" for side in table["align"]]
    return {"name": stem.name, "title": _title(stem), **table, "words": words}


def figure_context(stem: Path) -> dict[str, str]:
    """Name, caption and base64 PNG of the figure STEM.png.

    Raises:
        InputError: The PNG is missing or is none.
    """
    path = stem.with_name(f"{stem.name}.png")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); draw the figure first") from error
    if not data.startswith(b"\x89PNG\r\n"):
        raise InputError(f"{path}: is not a PNG; draw the figure again")
    return {
        "name": stem.name,
        "title": _title(stem),
        "caption": kind_of(stem.name, figures()).caption,
        "png": base64.b64encode(data).decode("ascii"),
    }


def _title(stem: Path) -> str:
    words = re.sub(r"(?<=[a-z])(?=\d)", " ", stem.name.replace("_", " "))
    return words.capitalize()


def certificate_sentence(
    subsets: Sequence[Subset], certificates: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the certificates say, and whether every gap-matched subset has one without violation."""
    matched = [subset.subset for subset in subsets if subset.method == "gap_match"]
    missing = [name for name in matched if name not in certificates]
    violations = sum(certificate["violations"] for certificate in certificates.values())
    # null where nothing was kept: there is nothing to exceed the threshold.
    excesses = [one["max_excess"] for one in certificates.values()]
    excess = max((float(one) for one in excesses if one is not None), default=0.0)
    images = sum(certificate["test_images"] for certificate in certificates.values())
    if not matched:
        text = "There is no gap-matched subset, so there is nothing to certify."
    else:
        text = (
            f"Certified gap-matched subsets: {len(certificates)} of {len(matched)}, on {images:,} "
            f"test images (counted once per subset). Violations: {violations:,}; largest excess "
            f"in similarity: {excess:.2g}."
        )
    if missing:
        text += f" Not certified: {', '.join(missing)}."
    return {"text": text, "good": violations == 0 and not missing, "matched": bool(matched)}


def dataset_rows(datasets: Sequence[DatasetCounts]) -> list[dict[str, Any]]:
    """Counts of each dataset for the template."""
    return [
        {
            "name": one.dataset,
            "counts": [one.urls, one.failed, one.downloaded, sum(one.rejected.values())],
            "embedded": one.embedded,
            "reasons": ", ".join(f"{why}: {n:,}" for why, n in sorted(one.rejected.items())),
            "good": one.reconciles,
        }
        for one in datasets
    ]


def subset_rows(subsets: Sequence[Subset]) -> list[dict[str, Any]]:
    """Counts of each subset for the template."""
    return [
        {
            "name": one.subset,
            "counts": [one.embedded, one.duplicates, one.pool, one.kept, one.pruned],
            "reasons": ", ".join(f"{why}: {n:,}" for why, n in sorted(one.pruned_by.items())),
            "good": subset_reconciles(one),
        }
        for one in subsets
    ]


def versions() -> list[tuple[str, str]]:
    """Python and the installed ones of ``PACKAGES``, with their versions."""
    found = [("python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue  # each stage has its own environment: the report's need not hold all
    return found


def render(
    template: Path,
    *,
    study: str,
    config: Mapping[str, Any],
    commit: str,
    accuracy: pl.DataFrame,
    sets: Sequence[str] | None,
    differences: Sequence[Difference],
    embedders: pl.DataFrame,
    subsets: Sequence[Subset],
    certificates: Mapping[str, Mapping[str, Any]],
    datasets: Sequence[DatasetCounts],
    tables: Sequence[Mapping[str, Any]],
    figures: Sequence[Mapping[str, str]],
    recalls: pl.DataFrame | None = None,
    factors: pl.DataFrame | None = None,
    gridded: Collection[str] = (),
) -> str:
    """Fill the template; every name and text is escaped. Equal arguments give equal text.

    Args:
        template: Jinja2 template.
        study: Name of the study.
        config: The resolved config.
        commit: Commit of the workflow.
        accuracy: ``accuracy.accuracy_table``.
        sets: Training sets of the headline; all for None.
        differences: ``differences.differences``.
        embedders: ``embedder_table.embedder_table``.
        subsets: Summaries in the order of the study.
        certificates: Certificates by subset.
        datasets: Counts by dataset.
        tables: ``table_context`` of each table.
        figures: ``figure_context`` of each figure.
        recalls: ``retrieval.first_recalls``; None without retrieval.
        factors: ``factors.factor_table``; None without a grid.
        gridded: Names of the grid's subsets.

    Raises:
        InputError: The template is missing.
    """
    matrix = accuracy_matrix(select_sets(accuracy, sets))
    first = [table for table in tables if table["name"] in FIRST]
    sentences = headline_sentences(accuracy, subsets, differences, sets, recalls)
    if factors is not None:
        sentences += factor_sentences(factors, near_chance(accuracy), gridded)
    told_of = headline_test_set(accuracy, subsets, sets)
    by_name = {figure["name"]: figure for figure in figures}
    pictures = [by_name[name] for name in opening_figures(told_of) if name in by_name]
    return load_template(template).render(
        study=study,
        config=json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False),
        commit=commit,
        sentences=sentences,
        cautions=caution_sentences(accuracy, embedders, subsets, sets, recalls),
        headline={"heads": matrix.columns, "rows": matrix.rows()},
        certificate=certificate_sentence(subsets, certificates),
        datasets=dataset_rows(datasets),
        subsets=subset_rows(subsets),
        first=first,
        tables=[table for table in tables if table not in first],
        pictures=pictures,
        figures=[figure for figure in figures if figure not in pictures],
        versions=versions(),
    )
