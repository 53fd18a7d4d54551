"""Templates of HTML pages that run no script but the workflow's own."""

import base64
import hashlib
from pathlib import Path

import jinja2

from gapmatch.running.errors import InputError


def load_template(path: Path) -> jinja2.Template:
    """Return a template; whatever is put into it is escaped, and what it lacks is an error.

    Templates include scripts and styles that lie beside them by ``content("NAME")|safe``: they are
    the workflow's own, and escaping would change them. For the page's Content-Security-Policy
    ``hashed("NAME")`` is what allows just that script or style.

    Raises:
        InputError: The template, or what it includes, is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def read(name: str) -> str:
        try:
            return path.with_name(name).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path.with_name(name)}: cannot be read ({error})") from error

    def hashed(name: str) -> str:
        digest = hashlib.sha256(read(name).encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"

    environment.globals |= {"content": read, "hashed": hashed}
    try:
        return environment.get_template(path.name)
    except jinja2.TemplateNotFound as error:
        raise InputError(f"{path}: there is no such template") from error
