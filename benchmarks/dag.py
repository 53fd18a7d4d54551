"""Measure what Snakemake needs, by number of chunks: to build the plan, and to start one job."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from timing import machine, measured, table

ROOT = Path(__file__).parents[1]
JOBS = (
    "search_pool:embedder=trained,test_set=val,chunk=00000",
    "select_subset:subset=combined_pruned",
    "train_clip:subset=combined_pruned,seed=0",
)
"""One job of a chunk, and two over all of them."""


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


def start(values: dict[str, object], job: str) -> float:
    """Return the seconds in which the Snakemake of a SLURM job plans this one job.

    It is told the job and its rule, finds the inputs (here: empty files) and plans. Two such
    Snakemakes run in every SLURM job, one started by sbatch, one by srun.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "study.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        (here / "resources").symlink_to(ROOT / "resources")
        command = [
            *(sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", folder, "--configfile", str(here / "study.yaml"), "--nolock"),
            *("--target-jobs", job, "--allowed-rules", job.partition(":")[0]),
            *("--force", "--target-files-omit-workdir-adjustment"),
        ]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in re.findall(r"^ +(results/\S+)$", refused.stdout + refused.stderr, re.MULTILINE):
            if "/data/" in path:
                (here / path).mkdir(parents=True)
            else:
                (here / path).parent.mkdir(parents=True, exist_ok=True)
                (here / path).touch()
        return measured(command, here / "said.txt")[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100, 450, 2000])
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    lines: list[list[object]] = []
    for chunks in args.chunks:
        values = study(chunks, args.subsets, args.seeds)
        jobs, seconds, memory = plan(values)
        starts = [f"{start(values, job):.1f}" for job in JOBS]
        lines.append([f"{chunks:,}", f"{jobs:,}", f"{seconds:.1f}", f"{memory:.2f}", *starts])
    print(
        f"`snakemake -n` of six test sets, {args.subsets} subsets, {args.seeds} seeds. "
        f"{machine()}.\n"
    )
    rules = [f"start of one {job.partition(':')[0]}" for job in JOBS]
    print(table(["chunks", "jobs", "seconds", "peak memory, GB", *rules], lines))


if __name__ == "__main__":
    main()
