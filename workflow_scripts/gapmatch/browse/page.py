"""The page itself: index.html, its script and its style."""

import shutil
from pathlib import Path

from gapmatch.browse.pictures import ROWS, SIDE
from gapmatch.report.html_template import load_template
from gapmatch.results.summaries import read_subsets
from gapmatch.running.atomic import atomic_path, write_text


def browse(
    *,
    study: str,
    summaries: list[Path],
    ranks: list[int],
    test_sets: list[str],
    embedder: str,
    neighbours: int,
    credit: str,
    resources: Path,
    out: Path,
) -> None:
    """Write the page that shows test images and their neighbours, beside its data and pictures.

    Args:
        study: Name of the study.
        summaries: summary.json of every subset, in the order of the study.
        ranks: Those that subsets are matched at, ascending.
        test_sets: Names of the test sets.
        embedder: That of the search.
        neighbours: Neighbours shown of each test image, in the pool and in the reference.
        credit: Credit line of the pictures.
        resources: Folder of the page's template, script and style.
        out: Page to write, index.html.
    """
    subsets = [
        {
            "name": one.subset,
            "method": one.method,
            "rank": one.rank,
            "offset": one.offset,
            # Its thresholds, where they are similarities of the embedder that the page shows.
            "test_sets": one.test_sets if one.embedder == embedder else [],
        }
        for one in read_subsets(summaries)
    ]
    told = {
        "test_sets": test_sets,
        "subsets": subsets,
        "ranks": ranks,
        "side": SIDE,
        "neighbours": neighbours,
        "rows": ROWS,
    }
    template = load_template(resources / "index.html.j2")
    page = template.render(study=study, told=told, embedder=embedder, credit=credit)
    for name in ("browse.js", "browse.css"):
        with atomic_path(out.with_name(name)) as path:
            shutil.copyfile(resources / name, path)
    write_text(out, page)
