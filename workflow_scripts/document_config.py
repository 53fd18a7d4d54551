"""Write the JSON schema of the config and its reference page from the config's models."""

import argparse
from pathlib import Path

from gapmatch.config.reference import json_schema, markdown
from gapmatch.running.atomic import write_json, write_text
from gapmatch.running.command_line import run


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schema", type=Path, required=True, help="output (.json)")
    parser.add_argument("--reference", type=Path, required=True, help="output (.md)")
    arguments = parser.parse_args()
    schema = json_schema()
    write_json(arguments.schema, schema)
    write_text(arguments.reference, markdown(schema))


if __name__ == "__main__":
    run(main)
