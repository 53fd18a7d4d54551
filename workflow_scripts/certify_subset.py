"""Certify a subset: recompute from the embeddings that nothing above the threshold was kept."""

from gapmatch.running.command_line import run
from gapmatch.subset.certification import certify_subset

if __name__ == "__main__":
    run(certify_subset)
