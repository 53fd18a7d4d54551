"""Select a subset of the pool by one of the modules of gapmatch/subset/methods/."""

from importlib import import_module

from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

PACKAGE = "gapmatch.subset.methods"

if __name__ == "__main__":
    run_one_of(
        modules(PACKAGE), lambda name: import_module(f"{PACKAGE}.{name}").METHOD.select, __doc__
    )
