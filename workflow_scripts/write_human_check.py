"""Write the page of the human check: one HTML file that shows the trials to a rater."""

from pathlib import Path

from gapmatch.human_check.page import page_data
from gapmatch.human_check.trial_images import read_trials, sources
from gapmatch.report.html_template import load_template
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import run


def write_human_check(
    *,
    trials: Path,
    data: Path,
    metadata: Path,
    pool_chunks: list[str],
    reference_chunks: list[str],
    test_sets: list[str],
    template: Path,
    out: Path,
) -> None:
    """Write the page of the human check: one HTML file that shows the trials to a rater.

    Args:
        trials: The trials.
        data: Folder with DATASET/CHUNK.
        metadata: Folder with DATASET/metadata, of the embedder of the search.
        pool_chunks: Chunk ids of the pool.
        reference_chunks: Chunk ids of the reference.
        test_sets: Names.
        template: Template of the page.
        out: Page to write (.html).
    """
    files = sources(data, metadata, pool_chunks, reference_chunks, test_sets)
    shown = page_data(read_trials(trials), files)
    write_text(out, load_template(template).render(shown=shown))


if __name__ == "__main__":
    run(write_human_check)
