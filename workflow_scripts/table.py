"""Make a table of a study: one of the modules of gapmatch/tables/."""

from importlib import import_module

from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

PACKAGE = "gapmatch.tables"

if __name__ == "__main__":
    run_one_of(
        modules(PACKAGE), lambda name: import_module(f"{PACKAGE}.{name}").TABLE.make, __doc__
    )
