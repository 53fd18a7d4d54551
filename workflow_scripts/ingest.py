"""Make a chunk of a dataset from one of the sources in gapmatch/download/sources/."""

from gapmatch.download.ingestion import ingestion
from gapmatch.kinds.discovery import modules
from gapmatch.running.command_line import run_one_of

if __name__ == "__main__":
    run_one_of(modules("gapmatch.download.sources"), ingestion, __doc__)
