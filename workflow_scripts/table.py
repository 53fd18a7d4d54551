"""Make a table of a study: one of the modules of gapmatch/tables/."""

from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

PACKAGE = "gapmatch.tables"

if __name__ == "__main__":
    run_one_of({name: f"{PACKAGE}.{name}:tabulate" for name in modules(PACKAGE)}, __doc__)
