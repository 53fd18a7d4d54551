"""What the logs of open_clip_train and of its workers tell."""

import math
import re
from pathlib import Path

import polars as pl

from gapmatch.running.errors import InputError
from gapmatch.train.training_options import TrainingOptions

EXPERIMENT = "run"
SHARD_LIST = "shards.json"
"""The list of the training set's shards, in the folder of the logs."""
ENDED = "ended.txt"
"""Why the training ended itself, in the folder of its run."""
WORKER_LOG = "worker-{rank}-{worker}.log"
"""What the worker WORKER of the process RANK could not read, epoch by epoch."""
SKIPPED = "Skipped sample"
"""Begins the line of a worker's log that tells a sample without image or caption."""
AGAIN = "Once more through the shards"
"""Begins another pass of a worker in the same epoch, which only fills the last batches."""
EPOCH_OR_SKIPPED = re.compile(
    rf"Start epoch (?P<epoch>\d+)$|(?P<again>{AGAIN})|Handling webdataset error|{SKIPPED}",
    re.MULTILINE,
)
PROGRESS = re.compile(
    r"Train Epoch: (?P<epoch>\d+) \[\s*(?P<samples>\d+)/\d+ .*?(?P<rate>[\d.e+]+)/s,.*?"
    r"LR: (?P<lr>[\d.]+) Logit Scale: (?P<logit_scale>[\d.]+).*?"
    r"Contrastive_loss: (?P<loss>[\d.naif]+)"
)


def count_skipped(log: str, epochs: int) -> int:
    """Return how many samples a worker could not read, by its log (``reproducible_training``).

    An epoch that was interrupted is logged again from its start; only the last attempt counts. Of
    several passes in an epoch, the first counts.

    Args:
        log: The text of the log.
        epochs: How many of the epochs count, from the first. A worker may be ahead of others.
    """
    skipped: dict[str, int] = {}
    epoch, counts = "", True
    for match in EPOCH_OR_SKIPPED.finditer(log):
        if match["epoch"]:
            epoch, counts = match["epoch"], True
            skipped[epoch] = 0
        elif match["again"]:
            counts = False
        elif counts:
            skipped[epoch] = skipped.get(epoch, 0) + 1
    return sum(number for epoch, number in skipped.items() if int(epoch or 0) < epochs)


def all_skipped(folder: Path, epochs: int) -> int:
    """Return how many samples the workers of a run could not use in its first epochs.

    Args:
        folder: That of the run, with the workers' logs.
        epochs: How many epochs count.
    """
    logs = folder.glob(WORKER_LOG.format(rank="*", worker="*"))
    texts = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
    return sum(count_skipped(text, epochs) for text in texts)


def too_many_skipped(folder: Path, epochs: int, skipped: int, allowed: int) -> str:
    """Return what is told of a training that could not use too many samples.

    Args:
        folder: That of the run.
        epochs: Epochs that it was through.
        skipped: Samples that it could not use in them.
        allowed: How many it may skip in all its epochs.
    """
    return (
        f"{skipped} samples could not be used in {epochs} epoch{'s'[: epochs != 1]}, so they "
        "were not seen; "
        f"training.max_skipped (for an embedder: embedders.NAME.max_skipped) allows {allowed} in "
        f"all epochs: see {folder}/worker-*.log"
    )


def read_metrics(state: Path, settings: TrainingOptions, samples: int) -> pl.DataFrame:
    """Read loss, rate and learning rate from open_clip_train's log.

    A resumed run logs an epoch's steps again; the last record of a step counts.

    Returns:
        Columns epoch, samples (seen in the epoch), rate (samples/s), lr, logit_scale, loss.

    Raises:
        InputError: The last epoch's log does not reach its end.
    """
    log = (state / EXPERIMENT / "out.log").read_text(encoding="utf-8", errors="replace")
    rows = [match.groupdict() for match in PROGRESS.finditer(log)]
    metrics = (
        pl.DataFrame(rows, schema=dict.fromkeys(PROGRESS.groupindex, pl.String))
        .with_columns(pl.col("epoch", "samples").cast(pl.Int64))
        .with_columns(pl.col("rate", "lr", "logit_scale", "loss").cast(pl.Float64, strict=False))
        .unique(["epoch", "samples"], keep="last")
        .sort("epoch", "samples")
    )
    last_epoch = metrics.filter(pl.col("epoch") == settings.epochs - 1)["samples"]
    last = max(last_epoch.to_list(), default=0)
    expected = math.ceil(samples / settings.batch_size) * settings.batch_size
    if last < expected:
        raise InputError(
            f"the log of the last epoch ends at {last} samples, expected at least {expected}: "
            f"see {state / EXPERIMENT / 'out.log'}"
        )
    return metrics
