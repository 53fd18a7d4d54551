"""Write the page of the human check: one HTML file that shows the trials to a rater."""

from pathlib import Path

from gapmatch.human_check.page import page_data
from gapmatch.human_check.trial_images import TrialImages, read_trials
from gapmatch.report.html_template import load_template
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import run


def write_human_check(*, images: TrialImages, template: Path, out: Path) -> None:
    """Write the page of the human check: one HTML file that shows the trials to a rater.

    Args:
        images: The trials.
        template: Template of the page.
        out: Page to write (.html).
    """
    shown = page_data(read_trials(images.trials), images.files())
    write_text(out, load_template(template).render(shown=shown))


if __name__ == "__main__":
    run(write_human_check)
