"""Draw a figure of a study: one of the modules of gapmatch/figures/."""

from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

PACKAGE = "gapmatch.figures"

if __name__ == "__main__":
    run_one_of({name: f"{PACKAGE}.{name}:plot" for name in modules(PACKAGE)}, __doc__)
