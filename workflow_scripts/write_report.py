"""Write the report of a study: one HTML file that holds its figures, tables and counts."""

from gapmatch.report.page import write_report
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(write_report)
