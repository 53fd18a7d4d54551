"""Write the JSON schema of the config and its reference page from the config's models."""

from pathlib import Path

from gapmatch.config.reference import json_schema, markdown
from gapmatch.running.atomic import write_json, write_text
from gapmatch.running.command_line import run


def document_config(*, schema: Path, reference: Path) -> None:
    """Write the JSON schema of the config and its reference page from the config's models.

    Args:
        schema: Output (.json).
        reference: Output (.md).
    """
    found = json_schema()
    write_json(schema, found)
    write_text(reference, markdown(found))


if __name__ == "__main__":
    run(document_config)
