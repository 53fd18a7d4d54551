"""Select a subset of the pool by one of the modules of gapmatch/subset/methods/."""

from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

PACKAGE = "gapmatch.subset.methods"

if __name__ == "__main__":
    run_one_of({name: f"{PACKAGE}.{name}:select" for name in modules(PACKAGE)}, __doc__)
