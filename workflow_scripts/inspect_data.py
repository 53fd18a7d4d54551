"""Look at the data of a study before anything is computed, and tell what is wrong or strange.

It prints the findings, writes them as a page, and fails where there is an error among them.
"""

import argparse
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


def main() -> None:
    """Look, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved config as JSON")
    parser.add_argument(
        "--rendered", type=Path, required=True, help="folder of the emoji study's rendered parts"
    )
    parser.add_argument("--template", type=Path, required=True, help="template of the page")
    parser.add_argument("--out", type=Path, required=True, help="page to write (.html)")
    arguments = parser.parse_args()
    study = parse_study(read_object(arguments.config, ()), str(arguments.config))
    looks = look_at_study(study, arguments.rendered)
    write_text(arguments.out, as_html(study.study, looks, arguments.template))
    # After a blank line: the last line of a terminal may tell how far the run is.
    print(f"\n{as_text(study.study, looks)}\n\nPage: {arguments.out}")
    sys.stdout.flush()
    findings = all_findings(looks)
    if any(finding.level is Level.ERROR for finding in findings):
        raise InputError(f"{verdict(findings)} in the data: {arguments.out} lists them")


if __name__ == "__main__":
    run(main)
