"""Measure how diverse the samples are that a subset keeps of the pool."""

from gapmatch.running.command_line import run
from gapmatch.subset.measuring import measure_subset

if __name__ == "__main__":
    run(measure_subset)
