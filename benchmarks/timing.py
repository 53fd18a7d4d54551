"""What the benchmarks share: running contenders in turn, and tables that say where they ran."""

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path

import torch

Contender = Callable[[], object]


@dataclass(frozen=True)
class Seconds:
    """What a contender took.

    Attributes:
        wall: Time that passed.
        processor: Time of the processors, of its child processes too.
    """

    wall: float
    processor: float


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    gc.collect()  # loaders end their workers
    return sum(os.times()[:4])


def wall_and_processor(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Seconds]:
    """Run all contenders one after the other, ``rounds`` times over: A B A B, not A A B B.

    Returns:
        The medians of each.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in contenders.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            processor, begin = processor_seconds(), time.perf_counter()
            run()
            wall = time.perf_counter() - begin
            taken[name].append((wall, processor_seconds() - processor))
    return {
        name: Seconds(*map(statistics.median, zip(*times, strict=True)))
        for name, times in taken.items()
    }


def in_turn(contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """Return the median seconds that passed of each contender, run as ``wall_and_processor``."""
    return {name: one.wall for name, one in wall_and_processor(contenders, rounds).items()}


MEASURE = """
import json, os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([status, time.perf_counter() - begin, usage.ru_maxrss / 2**20]))
"""
"""Between this process and the one that is measured: a peak of memory is inherited when a process
starts another, and this one has loaded torch."""


def measured(command: Sequence[str], said: Path) -> tuple[float, float]:
    """Run a program that must succeed; return its seconds and the peak of its memory in GB.

    Args:
        command: The program and its arguments.
        said: Where its output goes.
    """
    with said.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *command],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=file,
            check=True,
        )
    *printed, last = done.stdout.decode().splitlines()
    said.write_text("\n".join([*printed, said.read_text()]))
    status, seconds, memory = json.loads(last)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said.read_text()[-2000:]}")
    return seconds, memory


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine() -> str:
    """Return a line on the machine and the libraries."""
    cpu = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = (line for line in info.read_text().splitlines() if line.startswith("model name"))
        cpu = next(named, f":{cpu}").partition(":")[2].strip()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    known = packages_distributions()
    names = [known[package][0] for package in ("torch", "faiss", "snakemake")]
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{cpu}, {len(os.sched_getaffinity(0))} cores{gpu}; Python {platform.python_version()}, "
        f"{packages}"
    )
