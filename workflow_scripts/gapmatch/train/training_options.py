"""What a training is told, checked against its data before it starts."""

import logging
import math
from dataclasses import dataclass, replace

import torch

from gapmatch.running.errors import InputError
from gapmatch.train.streaming import TrainingShard

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
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
        device: auto, cpu or cuda; auto takes a GPU where there is one.
        gpus: Processes of torchrun; 0 or 1 is a single process.
        workers: Worker processes per GPU, at most.
    """

    model: str
    epochs: int
    batch_size: int
    lr: float
    warmup: int
    weight_decay: float
    precision: str
    grad_checkpointing: bool = False
    seed: int
    max_skipped: float
    device: str = "auto"
    gpus: int = 0
    workers: int = 1

    @property
    def processes(self) -> int:
        """Number of training processes (the world size)."""
        return max(1, self.gpus)


def checked(settings: TrainingOptions, shards: list[TrainingShard]) -> TrainingOptions:
    """Find what would make open_clip_train hang or fail, before it starts.

    Returns:
        The settings, with fewer workers where the training set is too small for all of them.

    Raises:
        InputError: The batch does not divide over the GPUs, the training set is too small for
            one worker per GPU, or the GPUs asked for are not there.
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
                logger.info("%d workers per GPU instead of %d", workers, settings.workers)
            return fewer
        logger.info(problem)
    raise InputError(
        f"{problem}: lower training.batch_size (of an embedder embedders.NAME.batch_size), or make "
        "more and smaller shards (download.samples_per_shard, where they are fetched)"
    )


def starvation(settings: TrainingOptions, shards: list[TrainingShard]) -> str:
    """Return why a worker would wait for ever, or nothing.

    Shards are dealt anew in each epoch: a worker may get the smallest. One that cannot fill a
    batch begins again and again without ever yielding.
    """
    workers = settings.processes * settings.workers
    if len(shards) < workers:
        return f"the training set has {len(shards)} shards for {workers} workers"
    per_process = settings.batch_size // settings.processes
    smallest = sum(sorted(shard.samples for shard in shards)[: len(shards) // workers])
    if smallest >= per_process:
        return ""
    return (
        f"the training set has {len(shards)} shards for {workers} workers; one may get {smallest} "
        f"samples, fewer than a batch ({per_process})"
    )


def may_skip(settings: TrainingOptions, samples: int) -> int:
    """Return how many samples a training may skip in all its epochs.

    Args:
        settings: Of the training.
        samples: Of its training set.
    """
    # In floats 0.29 of 100 is less than 29.
    return math.floor(round(settings.max_skipped * settings.epochs * samples, 6))
