"""Templates of HTML pages that need no other file."""

from pathlib import Path

import jinja2

from gapmatch.running.errors import InputError


def load_template(path: Path) -> jinja2.Template:
    """Return a template; whatever is put into it is escaped, and what it lacks is an error.

    Raises:
        InputError: The template is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.get_template(path.name)
    except jinja2.TemplateNotFound as error:
        raise InputError(f"{path}: there is no such template") from error
