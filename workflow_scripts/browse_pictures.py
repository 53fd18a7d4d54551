"""Write sheets of thumbnails of a sample of a test set and its neighbours, and what they show."""

from gapmatch.browse.pictures import browse_pictures
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(browse_pictures)
