"""Take the embeddings of one chunk from files that exist already, in clip-retrieval's layout."""

from gapmatch.embed.importing import import_embeddings
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(import_embeddings)
