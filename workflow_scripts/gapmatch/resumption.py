"""Folders of unfinished work: what a killed job left is continued only if it is the same job."""

import json
import logging
import shutil
from pathlib import Path

from gapmatch.atomic import write_json

logger = logging.getLogger(__name__)


def claim_state(state: Path, identity: str) -> None:
    """Make ``state`` ready for the job that ``identity`` describes.

    The folder is kept when a run of the same job left it, and emptied otherwise: with other
    data or settings its content would be continued into a wrong result.

    Args:
        state: Folder of unfinished work.
        identity: Hash of all that the job's result depends on.
    """
    marker = state / "identity.json"
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == identity:
        logger.info("continuing in %s", state)
        return
    shutil.rmtree(state, ignore_errors=True)
    write_json(marker, identity)
