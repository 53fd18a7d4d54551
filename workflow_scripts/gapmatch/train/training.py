"""Training a CLIP model with open_clip_train: launched, resumed and verified."""

import errno
import hashlib
import json
import logging
import math
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl
import torch

from gapmatch.models.weights import load_weights, not_finite
from gapmatch.running.disk_space import is_full, no_space
from gapmatch.running.errors import InputError
from gapmatch.running.process_lifetime import ending_with_this_process
from gapmatch.train.streaming import TrainingShard

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parents[2]
EXPERIMENT = "run"
MANIFEST = "shards.json"
"""The list of the training set's shards, in the folder of the logs."""
ENDED = "ended.txt"
"""Why the training ended itself, in the folder of its run."""
LOADER_LOG = "loader-{rank}-{worker}.log"
"""What the loader WORKER of the process RANK could not read, epoch by epoch."""
SKIPPED = "Skipped sample"
"""Begins the line of a loader's log that tells a sample without image or caption."""
AGAIN = "Once more through the shards"
"""Begins another pass of a loader in the same epoch, which only fills the last batches."""
EPOCH_OR_SKIPPED = re.compile(
    rf"Start epoch (?P<epoch>\d+)$|(?P<again>{AGAIN})|Handling webdataset error|{SKIPPED}",
    re.MULTILINE,
)
PROGRESS = re.compile(
    r"Train Epoch: (?P<epoch>\d+) \[\s*(?P<samples>\d+)/\d+ .*?(?P<rate>[\d.e+]+)/s,.*?"
    r"LR: (?P<lr>[\d.]+) Logit Scale: (?P<logit_scale>[\d.]+).*?"
    r"Contrastive_loss: (?P<loss>[\d.naif]+)"
)


@dataclass(frozen=True)
class Settings:
    """A training run: what open_clip_train is told.

    Attributes:
        model: Model name, or local-dir:FOLDER.
        epochs: Passes over the training set.
        batch_size: Global batch size, samples.
        lr: Peak learning rate.
        warmup: Warm-up, steps.
        weight_decay: Weight decay.
        precision: Arithmetic, a value of open_clip_train's --precision.
        grad_checkpointing: Whether activations are computed anew in the backward pass.
        seed: Seed of weights, order and augmentation.
        max_skipped: Largest share of samples that may be unreadable.
        device: cpu or cuda.
        gpus: Processes of torchrun; 0 or 1 is a single process.
        workers: Loader processes per GPU, at most.
    """

    model: str
    epochs: int
    batch_size: int
    lr: float
    warmup: int
    weight_decay: float
    precision: str
    grad_checkpointing: bool
    seed: int
    max_skipped: float
    device: str
    gpus: int
    workers: int

    @property
    def processes(self) -> int:
        """Number of training processes (the world size)."""
        return max(1, self.gpus)


def checked(settings: Settings, shards: list[TrainingShard]) -> Settings:
    """Find what would make open_clip_train hang or fail, before it starts.

    Returns:
        The settings, with fewer loaders where the training set is too small for all of them.

    Raises:
        InputError: The batch does not divide over the GPUs, the training set is too small for
            one loader per GPU, or the GPUs asked for are not there.
    """
    if settings.batch_size % settings.processes:
        raise InputError(
            f"training.batch_size is {settings.batch_size}, expected a multiple of the "
            f"{settings.processes} GPUs"
        )
    if settings.device == "cuda" and torch.cuda.device_count() < settings.processes:
        raise InputError(
            f"{settings.processes} GPUs were asked for, torch finds {torch.cuda.device_count()}"
        )
    for workers in range(settings.workers, 0, -1):
        fewer = replace(settings, workers=workers)
        problem = starvation(fewer, shards)
        if not problem:
            if workers < settings.workers:
                logger.info("%d loaders per GPU instead of %d", workers, settings.workers)
            return fewer
        logger.info(problem)
    raise InputError(
        f"{problem}: lower training.batch_size (of an embedder embedders.NAME.batch_size), or make "
        "more and smaller shards (download.samples_per_shard, where they are fetched)"
    )


def starvation(settings: Settings, shards: list[TrainingShard]) -> str:
    """Return why a loader would wait for ever, or nothing.

    Shards are dealt anew in each epoch: a loader may get the smallest. One that cannot fill a
    batch begins again and again without ever yielding.
    """
    loaders = settings.processes * settings.workers
    if len(shards) < loaders:
        return f"the training set has {len(shards)} shards for {loaders} loaders"
    per_process = settings.batch_size // settings.processes
    smallest = sum(sorted(shard.samples for shard in shards)[: len(shards) // loaders])
    if smallest >= per_process:
        return ""
    return (
        f"the training set has {len(shards)} shards for {loaders} loaders; one may get {smallest} "
        f"samples, fewer than a batch ({per_process})"
    )


def fingerprint(settings: Settings, shards: list[TrainingShard]) -> str:
    """Return a hash of what the weights depend on: the settings and the data.

    The data are told by name, size and time of the shards, and by content of the files that say
    what is kept.
    """
    values = asdict(settings)
    del values["max_skipped"]  # who allows more goes on where the training ended
    model_file = Path(settings.model.removeprefix("local-dir:")) / "open_clip_config.json"
    if settings.model.startswith("local-dir:"):
        values["model_definition"] = model_file.read_text(encoding="utf-8")
    kept = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in {shard.kept for shard in shards}
        if path
    }
    rows = []
    for shard in shards:
        stat = shard.tar.stat()
        content = kept[shard.kept] if shard.kept else None
        rows.append((shard.tar.name, shard.samples, stat.st_size, stat.st_mtime_ns, content))
    return hashlib.sha256(json.dumps([values, rows], sort_keys=True).encode()).hexdigest()


def command(settings: Settings, shards: list[TrainingShard], logs: Path) -> list[str]:
    """Return the command line that trains: open_clip_train's own arguments behind ours.

    Its training data are positions in the list of shards, MANIFEST in the folder of its logs
    (``reproducible_training.trainable_samples``).
    """
    launcher = [sys.executable]
    if settings.gpus > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        # Behind "--", or it takes our --logs for one of its own options, cut short.
        launcher += ["--nproc-per-node", str(settings.gpus), "--"]
    return [
        *launcher,
        str(SCRIPTS / "run_open_clip.py"),
        *("--train-data", f"{{0..{len(shards) - 1}}}"),
        *("--train-num-samples", str(sum(shard.samples for shard in shards))),
        *("--dataset-type", "webdataset"),
        *("--model", settings.model),
        *("--epochs", str(settings.epochs)),
        *("--batch-size", str(settings.batch_size // settings.processes)),
        *("--lr", str(settings.lr)),
        *("--warmup", str(settings.warmup)),
        *("--wd", str(settings.weight_decay)),
        *("--precision", settings.precision),
        *("--seed", str(settings.seed)),
        *("--workers", str(settings.workers)),
        *("--device", settings.device),
        *("--logs", str(logs), "--name", EXPERIMENT),
        *("--resume", "latest", "--save-most-recent", "--save-frequency", "0"),
        *("--log-every-n-steps", "10"),
        # The loss over all GPUs without gathering every feature twice; the same value.
        *(["--local-loss", "--gather-with-grad"] if settings.gpus > 1 else []),
        *(["--grad-checkpointing"] if settings.grad_checkpointing else []),
    ]


def run(arguments: list[str], lock: int, state: Path) -> None:
    """Run the training program; it holds the lock of its state as this process does.

    Raises:
        InputError: It failed.
        NoSpaceError: It failed on a full disk.
    """
    logger.info("running %s", shlex.join(arguments))
    logger.info("starting open_clip_train")  # what people see until it tells more
    ended = state / EXPERIMENT / ENDED
    ended.unlink(missing_ok=True)
    status = subprocess.run(
        arguments,
        check=False,
        pass_fds=(lock,),
        preexec_fn=ending_with_this_process(),
    ).returncode
    if status:
        # torchrun has a status of its own.
        full = status == errno.ENOSPC or is_full(state)
        discard_unfinished(state / EXPERIMENT / "checkpoints")
        if full:
            raise no_space(state / EXPERIMENT)
        if ended.exists():
            raise InputError(ended.read_text(encoding="utf-8"))
        raise InputError(f"open_clip_train failed with status {status}: see its messages above")


def count_skipped(log: str, epochs: int) -> int:
    """Return how many samples a loader could not read, by its log (``reproducible_training``).

    An epoch that was interrupted is logged again from its start; only the last attempt counts. Of
    several passes in an epoch, the first counts.

    Args:
        log: The text of the log.
        epochs: How many of the epochs count, from the first. A loader may be ahead of others.
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
    """Return how many samples the loaders of a run could not use in its first epochs.

    Args:
        folder: That of the run, with the loaders' logs.
        epochs: How many epochs count.
    """
    logs = folder.glob(LOADER_LOG.format(rank="*", worker="*"))
    texts = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
    return sum(count_skipped(text, epochs) for text in texts)


def discard_unfinished(checkpoints: Path) -> None:
    """Delete what a failed training wrote after its latest checkpoint, where the next one begins.

    open_clip_train writes a last checkpoint to its final name, then the latest one as tmp.pt,
    which takes the place of the one before when it is whole.
    """
    latest = checkpoints / "epoch_latest.pt"
    last = latest.stat().st_mtime_ns if latest.exists() else 0
    for path in checkpoints.glob("*.pt"):
        if path != latest and path.stat().st_mtime_ns > last:
            path.unlink()


def verify(state: Path, settings: Settings, samples: int) -> tuple[dict[str, torch.Tensor], int]:
    """Check that the training came to its end with all its samples.

    Returns:
        The weights, and the number of samples that could not be used, over all epochs.

    Raises:
        InputError: The last checkpoint is of another epoch or not finite, or too many samples
            were skipped.
    """
    folder = state / EXPERIMENT / "checkpoints"
    path = folder / f"epoch_{settings.epochs}.pt"
    if not path.exists():
        raise InputError(
            f"{path} does not exist though open_clip_train ended: the training stopped early; "
            "see its messages above"
        )
    weights = load_weights(path)
    if broken := not_finite(weights):
        raise InputError(
            f"{path} holds weights that are not finite ({broken[0]}): lower training.lr or use "
            "training.precision fp32"
        )
    skipped = all_skipped(state / EXPERIMENT, settings.epochs)
    allowed = may_skip(settings, samples)
    if skipped > allowed:
        raise InputError(too_many_skipped(state / EXPERIMENT, settings.epochs, skipped, allowed))
    return weights, skipped


def may_skip(settings: Settings, samples: int) -> int:
    """Return how many samples a training may skip in all its epochs.

    Args:
        settings: Of the training.
        samples: Of its training set.
    """
    # In floats 0.29 of 100 is less than 29.
    return math.floor(round(settings.max_skipped * settings.epochs * samples, 6))


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
        f"all epochs: see {folder}/loader-*.log"
    )


def read_metrics(state: Path, settings: Settings, samples: int) -> pl.DataFrame:
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
