"""Write the page that shows test images and their neighbours, beside its data and pictures."""

from gapmatch.browse.page import browse
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(browse)
