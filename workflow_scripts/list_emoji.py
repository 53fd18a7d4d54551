"""List the emoji that exist in all three styles and that one can tell apart."""

from dataclasses import asdict
from pathlib import Path

from gapmatch.emoji import artwork
from gapmatch.running.atomic import write_json
from gapmatch.running.command_line import run


def list_emoji(*, out: Path) -> None:
    """List the emoji that exist in all three styles and that one can tell apart.

    Args:
        out: Output (.json).
    """
    write_json(out, [asdict(emoji) for emoji in artwork.list_emoji()])


if __name__ == "__main__":
    run(list_emoji)
