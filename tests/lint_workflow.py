"""Run snakemake --lint; fail on whatever is not accepted here with a reason."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ACCEPTED = {
    r"Environment variable PATH used but not asserted": (
        "PATH is set, not asked for: rules run the python that runs Snakemake"
    ),
    r"Mixed rules and functions in same snakefile": (
        "a stage's input functions stand beside the rule that uses them; shared ones in common.smk"
    ),
    r"Path composition with '\+'": "they are shell commands put together, not paths",
    r"Shell command directly uses variable SCRIPTS": (
        "where the programs lie is no parameter of science: moving the project reruns nothing"
    ),
    r"Param \w+ is a prefix of input or output file but hardcoded": (
        "programs take the folder of a dataset, and write several files with one stem"
    ),
}


def main() -> None:
    """Print lints that are not accepted, and exceptions that are needed no more."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint", "--configfile", "studies/smoke.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    place, found, used = "", [], set()
    for line in done.stderr.splitlines():
        if line.startswith("Lints for "):
            place = line.removeprefix("Lints for ").rstrip(":")
        elif title := re.match(r" {4}\* (.+?):?$", line):
            known = [pattern for pattern in ACCEPTED if re.match(pattern, title[1])]
            used.update(known)
            if not known:
                found.append(f"{place}: {title[1]}")
    # Snakemake exits 1 for any lint, and for what it cannot read.
    if done.returncode and not (found or used):
        found.append(done.stderr)
    found += [f"accepted, but not found any more: {p}" for p in ACCEPTED if p not in used]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
