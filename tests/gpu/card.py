"""Print which GPU the tests run on; refuse to go on without one."""

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def installed(package: str) -> str:
    """Return a package's version, or that it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def lacking() -> list[str]:
    """Return what Triton needs to start kernels and does not find."""
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    return ([] if compiler else ["a C compiler"]) + ([] if header.is_file() else [str(header)])


def main() -> None:
    """Print the table, or an error."""
    if not torch.cuda.is_available():
        print(
            f"error: torch {torch.__version__} finds no GPU; run this on a machine that has one "
            "(on a cluster as a job: docs/slurm.md), with a driver for CUDA "
            f"{torch.version.cuda or '(this torch is built without CUDA)'}.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    if missing := lacking():
        print(
            f"error: Triton needs {' and '.join(missing)} to start kernels; install gcc and the "
            "headers of Python (on Debian and Ubuntu: apt install gcc python3-dev).",
            file=sys.stderr,
        )
        raise SystemExit(2)
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        print(
            f"GPU {number}: {card.name}, {card.total_memory / 2**30:.0f} GiB, compute capability "
            f"{card.major}.{card.minor}, {card.multi_processor_count} multiprocessors"
        )
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        driver = said.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown (no nvidia-smi)"
    print(f"driver {driver}, CUDA of torch {torch.version.cuda}, Python {sys.version.split()[0]}")
    names = ("torch", "triton", "open-clip-torch", "timm", "faiss-cpu", "faiss-gpu", "numpy")
    print(", ".join(f"{name} {installed(name)}" for name in names))


if __name__ == "__main__":
    main()
