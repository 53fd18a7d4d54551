"""List the emoji that exist in all three styles and that one can tell apart."""

import argparse
from dataclasses import asdict
from pathlib import Path

from gapmatch.emoji.artwork import list_emoji
from gapmatch.running.atomic import write_json
from gapmatch.running.command_line import run


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=Path, help="output (.json)")
    arguments = parser.parse_args()
    write_json(arguments.out, [asdict(emoji) for emoji in list_emoji()])


if __name__ == "__main__":
    run(main)
