"""The findings of a look at a study's data: as text for a terminal, and as a page with pictures."""

import base64
from collections.abc import Sequence
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from gapmatch.inspection.findings import Finding, Level, Look
from gapmatch.report.html_template import load_template
from gapmatch.running.job_progress import printable
from gapmatch.running.unicode_text import escaped

WRAPPED = TextWrapper(100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
"""Lines of findings; names of files are kept whole, to be copied."""


def all_findings(looks: Sequence[Look]) -> list[Finding]:
    """Return the findings of all datasets: errors first, each in the order of the datasets."""
    found = [finding for look in looks for finding in look.findings]
    return sorted(found, key=lambda finding: finding.level is not Level.ERROR)


def verdict(findings: Sequence[Finding]) -> str:
    """Return how many errors and warnings there are."""
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = len(findings) - errors
    return f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"


def _number(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def as_text(study: str, looks: Sequence[Look]) -> str:
    """Return the page for a terminal: what is known of each dataset, then the findings."""
    lines = [f"The data of the study {study}:"]
    for look in looks:
        if look.facts:
            lines.append(f"\n  {look.dataset}")
        lines += [f"    {name}: {text}" for name, text in look.facts.items()]
    findings = all_findings(looks)
    lines.append(f"\n{verdict(findings)}")
    for finding in findings:
        text = f"{finding.level}: {finding.dataset}: {finding.text}"
        lines.append(WRAPPED.fill(text))
    # Names of files and captions may hold what would steer a terminal, or is no UTF-8.
    whole = escaped("\n".join(lines))
    return "\n".join(printable(line) for line in whole.split("\n"))


def as_html(study: str, looks: Sequence[Look], template: Path) -> str:
    """Return the page as HTML that needs no other file; every name and text is escaped.

    Raises:
        InputError: The template is missing.
    """
    findings = all_findings(looks)
    page = load_template(template).render(
        study=study,
        verdict=verdict(findings),
        good=not any(finding.level is Level.ERROR for finding in findings),
        findings=findings,
        looks=[_context(look) for look in looks],
    )
    return escaped(page)


def _context(look: Look) -> dict[str, Any]:
    pictures = [
        {"jpeg": base64.b64encode(picture.jpeg).decode("ascii"), "caption": picture.caption}
        for picture in look.pictures
    ]
    return {"name": look.dataset, "facts": look.facts, "pictures": pictures}
