"""Training a CLIP model with open_clip_train: launched, resumed and verified."""

import errno
import hashlib
import json
import logging
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from gapmatch.models.precision import training_precision
from gapmatch.models.weights import choose_device, load_weights, not_finite, save_weights
from gapmatch.running.atomic import atomic_path, write_json
from gapmatch.running.disk_space import is_full, no_space
from gapmatch.running.errors import InputError
from gapmatch.running.process_lifetime import ending_with_this_process
from gapmatch.running.resumption import claim_state, delete_state
from gapmatch.train.streaming import ShardList, TrainingShard, write_shard_list
from gapmatch.train.training_log import (
    ENDED,
    EXPERIMENT,
    SHARD_LIST,
    all_skipped,
    read_metrics,
    too_many_skipped,
)
from gapmatch.train.training_options import TrainingOptions, checked, may_skip

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class TrainingOutputs:
    """What a training writes.

    Attributes:
        weights: Output: model.pt.
        metrics: Output: metrics.csv.
        summary: Output: training.json.
    """

    weights: Path
    metrics: Path
    summary: Path


def train(
    name: str,
    pool: list[TrainingShard],
    reference: list[TrainingShard],
    asked: TrainingOptions,
    state: Path,
    outputs: TrainingOutputs,
) -> None:
    """Train a model, or go on where a training was killed; verify it and write its weights.

    Args:
        name: Of the training set.
        pool: Shards of the pool.
        reference: Shards of the reference.
        asked: How to train; device and precision may be "auto".
        state: Folder of checkpoints; survives a kill.
        outputs: What is written.

    Raises:
        InputError: The training cannot start, failed, or did not see its samples.
    """
    shards = pool + reference
    device = choose_device(asked.device)
    precision = training_precision(asked.precision, device)
    logger.info("precision %s: %s", precision.name, precision.reason)
    options = checked(replace(asked, precision=precision.name, device=device.type), shards)
    samples = sum(shard.samples for shard in shards)
    state = state.absolute()
    lock = claim_state(state, fingerprint(options, shards))
    for log in (state / EXPERIMENT).glob("loader-*.log"):  # of a version that called them so
        log.rename(log.with_name(log.name.replace("loader", "worker")))
    write_shard_list(state / SHARD_LIST, ShardList(shards, may_skip(options, samples)))
    run(command(options, shards, state), lock, state)
    weights, skipped = verify(state, options, samples)
    metrics = read_metrics(state, options, samples)
    with atomic_path(outputs.metrics) as temporary:
        metrics.write_csv(temporary)
    summary = {
        "training_set": name,
        "seed": options.seed,
        "samples": samples,
        "pool_samples": sum(shard.samples for shard in pool),
        "reference_samples": sum(shard.samples for shard in reference),
        "skipped": skipped,
        "seen": samples * options.epochs - skipped,
        "epochs": options.epochs,
        "model": options.model,
        "precision": precision.name,
        "precision_reason": precision.reason,
        "device": options.device,
        "gpus": options.gpus,
        "workers": options.workers,
        "versions": {name: version(name) for name in ("torch", "open_clip_torch", "webdataset")},
    }
    write_json(outputs.summary, summary)
    save_weights(outputs.weights, weights)
    delete_state(state)


def fingerprint(settings: TrainingOptions, shards: list[TrainingShard]) -> str:
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


def command(settings: TrainingOptions, shards: list[TrainingShard], logs: Path) -> list[str]:
    """Return the command line that trains: open_clip_train's own arguments behind ours.

    Its training data are positions in the list of shards, SHARD_LIST in the folder of its logs
    (``training_input.trainable_samples``).
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


def verify(
    state: Path, settings: TrainingOptions, samples: int
) -> tuple[dict[str, torch.Tensor], int]:
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
