"""Render a part of the emoji study: the pool as a web crawl, the reference, or a test set."""

from gapmatch.emoji.parts import render_emoji
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(render_emoji)
