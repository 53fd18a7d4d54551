"""What every program in workflow_scripts/ does around its work: logging and clean errors."""

import logging
import sys
from collections.abc import Callable

from gapmatch.errors import InputError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run(main: Callable[[], None]) -> None:
    """Run ``main`` with logging to stderr; print an InputError as one message and exit 2."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
