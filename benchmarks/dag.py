"""Measure how long Snakemake needs to build the plan, and how much memory, by number of chunks."""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import yaml
from timing import machine, measured, table

ROOT = Path(__file__).parents[1]


def study(chunks: int, subsets: int, seeds: int) -> dict[str, object]:
    """Return the default study with the numbers of a large one."""
    values: dict[str, object] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["study"] = "plan"
    values["pool"] = {"source": {"kind": "emoji", "part": "pool"}, "chunks": chunks}
    more = {f"random_{number}": {"method": "random", "keep": 0.5} for number in range(subsets - 2)}
    matched = {"combined_pruned": {"method": "gap_match", "test_sets": "all"}}
    values["subsets"] = {
        "baseline": {"method": "all"},
        "reference_only": {"method": "none"},
        **matched,
        **dict(list(more.items())[:-1]),
    }
    values["training"] = {**values["training"], "seeds": list(range(seeds))}  # type: ignore[dict-item]
    return values


def plan(values: dict[str, object]) -> tuple[int, float, float]:
    """Return jobs, seconds and peak memory in GB of ``snakemake -n``."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "study.yaml"
        config.write_text(yaml.safe_dump(values), encoding="utf-8")
        said = Path(folder) / "plan.txt"
        command = [sys.executable, "-m", "snakemake", "-n", "--configfile", str(config)]
        seconds, memory = measured(command, said)
        total = re.search(r"^total +(\d+)$", said.read_text(encoding="utf-8"), re.MULTILINE)
    if not total:
        raise RuntimeError("snakemake printed no table of jobs")
    return int(total[1]), seconds, memory


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100, 450, 2000])
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    lines: list[list[object]] = []
    for chunks in args.chunks:
        jobs, seconds, memory = plan(study(chunks, args.subsets, args.seeds))
        lines.append([f"{chunks:,}", f"{jobs:,}", f"{seconds:.1f}", f"{memory:.2f}"])
    print(
        f"`snakemake -n` of six test sets, {args.subsets} subsets, {args.seeds} seeds. "
        f"{machine()}.\n"
    )
    print(table(["chunks", "jobs", "seconds", "peak memory, GB"], lines))


if __name__ == "__main__":
    main()
