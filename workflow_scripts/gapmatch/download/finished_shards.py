"""Which of img2dataset's shards are whole: it writes a tar under its final name."""

import json
import logging
from pathlib import Path

from gapmatch.data.shard_samples import count_samples
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import count_rows

logger = logging.getLogger(__name__)

STATISTICS = "_stats.json"
"""Ends the name of a shard's statistics."""


def finished(folder: Path) -> list[str]:
    """Return the names of shards that img2dataset finished: it writes their statistics last."""
    return sorted(path.name.removesuffix(STATISTICS) for path in folder.glob(f"*{STATISTICS}"))


def is_whole(folder: Path, name: str) -> bool:
    """Tell whether a finished shard reads to its end, and its tar and table have the counts.

    img2dataset leaves a link out of both when something unforeseen happens to it.
    """
    tar = folder / f"{name}.tar"
    try:
        statistics = json.loads((folder / f"{name}{STATISTICS}").read_text(encoding="utf-8"))
        links = count_rows(folder / f"{name}.parquet")
        counts = {"samples": count_samples(tar), "links": links}
        expected = {"samples": statistics["successes"], "links": statistics["count"]}
    except (InputError, ValueError, KeyError, OSError) as error:
        logger.warning("fetching %s again: %s", tar, error)
        return False
    if counts != expected:
        logger.warning("fetching %s again: it has %s instead of %s", tar, counts, expected)
    return counts == expected


def delete_damaged(folder: Path) -> None:
    """Delete every shard that is not whole."""
    for name in finished(folder):
        if not is_whole(folder, name):
            for suffix in (STATISTICS, ".tar", ".parquet"):
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
