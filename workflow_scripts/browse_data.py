"""Write what the browse page tells of a test set."""

from gapmatch.browse.data import browse_data
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(browse_data)
