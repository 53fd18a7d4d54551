"""Find the samples that are too similar to an earlier one, in one part of the clusters."""

from gapmatch.deduplicate.dropping import drop_duplicates
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(drop_duplicates)
