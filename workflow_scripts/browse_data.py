"""Write what the page tells of a test set, as a script that hands it over."""

from gapmatch.browse.data import browse_data
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(browse_data)
