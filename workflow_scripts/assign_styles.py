"""Assign styles to the samples of a chunk."""

from gapmatch.running.command_line import run
from gapmatch.style.styles import assign_styles

if __name__ == "__main__":
    run(assign_styles)
