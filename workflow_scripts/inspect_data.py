"""Look at the data of a study before anything is computed, and tell what is wrong or strange."""

import sys
from pathlib import Path

from gapmatch.config.study import parse_study
from gapmatch.inspection.findings import Level
from gapmatch.inspection.page import all_findings, as_html, as_text, verdict
from gapmatch.inspection.study import look_at_study
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_object


def inspect_data(*, config: Path, rendered: Path, template: Path, out: Path) -> None:
    """Look at the data of a study before anything is computed, and tell what is wrong or strange.

    It prints the findings, writes them as a page, and fails where there is an error among them.

    Args:
        config: Resolved config as JSON.
        rendered: Folder of the emoji study's rendered parts.
        template: Template of the page.
        out: Page to write (.html).
    """
    study = parse_study(read_object(config, ()), str(config))
    looks = look_at_study(study, rendered)
    write_text(out, as_html(study.study, looks, template))
    # After a blank line: the last line of a terminal may tell how far the run is.
    print(f"\n{as_text(study.study, looks)}\n\nPage: {out}")
    sys.stdout.flush()
    findings = all_findings(looks)
    if any(finding.level is Level.ERROR for finding in findings):
        raise InputError(f"{verdict(findings)} in the data: {out} lists them")


if __name__ == "__main__":
    run(inspect_data)
