"""Print what a study found: its headline as text, and where the report is."""

from gapmatch.report.terminal import print_headline
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(print_headline)
