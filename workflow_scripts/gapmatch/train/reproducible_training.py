"""open_clip_train with an order of samples and augmentations that follows from the seed.

Two things keep a run of open_clip_train 3.3 with webdataset 0.2.86 from being repeatable: the
shuffle of samples seeds itself from the process id and the clock, and nothing of the workers'
random state is in a checkpoint, so a resumed run augments differently. Both are mended at one
place, where a worker begins to read an epoch: its generators are seeded from (seed, epoch, rank,
worker). A run that is killed and resumed then sees the same batches as one that was not.

At the same place each worker begins a log of its own: open_clip_train's holds only what the first
of several processes could not read.
"""

import errno
import functools
import logging
import os
import random
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip_train.data
import open_clip_train.main
import torch
import webdataset
from open_clip_train.params import parse_args
from torch.utils.data import default_collate, get_worker_info

from gapmatch.running.atomic import write_text
from gapmatch.running.disk_space import telling_no_space
from gapmatch.running.errors import InputError, NoSpaceError
from gapmatch.running.time_left import TimeLeft
from gapmatch.train.fast_tokens import tokenize_faster
from gapmatch.train.stalled_workers import Watch, end_when_told
from gapmatch.train.streaming import TrainingShard, read_shard_list
from gapmatch.train.training_input import (
    TrainingInput,
    trainable_samples,
    training_preprocessing,
)
from gapmatch.train.training_log import (
    AGAIN,
    ENDED,
    SHARD_LIST,
    WORKER_LOG,
    all_skipped,
    too_many_skipped,
)

BAD_INPUT = 2

# open_clip's functions are replaced by ones that call them.
create_model = open_clip_train.main.create_model_and_transforms
DistributedDataParallel = torch.nn.parallel.DistributedDataParallel


def seed_worker(seed: int, epoch: int) -> None:
    """Seed Python's and torch's generators of this process for an epoch."""
    worker = get_worker_info()
    key = (seed, epoch, int(os.environ.get("RANK", "0")), worker.id if worker else 0)
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    random.seed(state)
    torch.manual_seed(state)


def log_line(folder: Path, line: str) -> None:
    """Write a line to this worker's log, and let the log take all that is logged from now on."""
    worker = get_worker_info()
    name = WORKER_LOG.format(rank=os.environ.get("RANK", "0"), worker=worker.id if worker else 0)
    path = (folder / name).absolute()
    root = logging.getLogger()
    if str(path) not in {getattr(handler, "baseFilename", None) for handler in root.handlers}:
        root.addHandler(logging.FileHandler(path, encoding="utf-8"))
    # Not by the logger: the other logs would have the line once for each worker.
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


INPUT = TrainingInput()


class SeededShardShuffle(open_clip_train.data.detshuffle2):  # type: ignore[misc]
    """A shuffle of all shards of an epoch; it also seeds the process that begins to read it.

    open_clip's own goes through the list with a buffer of 2,000 shards: what stands at the end of
    a longer list, here the reference, would come at the end of every epoch.
    """

    folder: Path
    """Where the workers' logs are."""
    batch_size: int
    """Samples of a batch."""

    def __init__(self, bufsize: int, initial: int, **options: Any) -> None:
        super().__init__(bufsize=sys.maxsize, initial=sys.maxsize, **options)
        self.begun = -1

    def run(self, src: Iterator[Any]) -> Iterator[Any]:
        """Shuffle the shards of the epoch.

        A worker that comes to the end of its shards before the end of the epoch begins again.

        Raises:
            InputError: It came there without a batch, and would begin again for ever.
        """
        epoch = self.epoch.get_value()
        if epoch != self.begun:
            log_line(self.folder, f"Start epoch {epoch}")
            self.begun = epoch
        elif INPUT.images < self.batch_size:
            raise InputError(
                f"a worker got {INPUT.images} samples with image and caption out of its shards, "
                f"fewer than a batch ({self.batch_size}): see {self.folder}/worker-*.log for the "
                "others"
            )
        else:
            log_line(self.folder, AGAIN)
        if INPUT.by_pillow:
            log_line(self.folder, f"Pillow decoded {INPUT.by_pillow:,} of {INPUT.images:,} images")
        INPUT.images = INPUT.by_pillow = 0
        seed_worker(self.seed, epoch)
        return super().run(src)  # type: ignore[no-any-return]


def checking_epochs(
    train_one_epoch: Callable[..., Any], folder: Path, allowed: int
) -> Callable[..., Any]:
    """Return a function that trains an epoch, unless too many samples were skipped before it.

    A run that has skipped more than it may in all its epochs is not worth its other epochs. It
    ends where the epoch before has its checkpoint: who allows more goes on from there.

    Args:
        train_one_epoch: open_clip_train's function; its fourth argument is the epoch.
        folder: That of the run.
        allowed: How many samples may be skipped.
    """

    def checked(model: Any, data: Any, loss: Any, epoch: int, *others: Any, **options: Any) -> Any:
        # Every process could tell; one is enough, and torchrun ends the others with it.
        if os.environ.get("RANK", "0") == "0" and (skipped := all_skipped(folder, epoch)) > allowed:
            raise InputError(too_many_skipped(folder, epoch, skipped, allowed))
        return train_one_epoch(model, data, loss, epoch, *others, **options)

    return checked


def reason_of(error: InputError) -> str:
    """Return the message of an error, which a worker's process may have raised.

    torch puts the traceback of that process into the message, which ends with the error.
    """
    return str(error).rpartition(f"{InputError.__name__}: ")[2].strip()


class FusedAdamW(torch.optim.AdamW):
    """AdamW that updates each parameter in one pass.

    On a CPU torch's default makes about eight passes. Most parameters of a small model are those of
    its 49,408 tokens, and the passes take a third of its training (docs/performance.md).
    """

    def __init__(self, parameters: Any, **options: Any) -> None:
        super().__init__(parameters, fused=True, **options)

    def load_state_dict(self, state_dict: Any) -> None:
        """Go on from the state of another AdamW too: its groups say that they are not fused."""
        groups = [{**group, "fused": True, "foreach": None} for group in state_dict["param_groups"]]
        super().load_state_dict({**state_dict, "param_groups": groups})


def create_channels_last(*arguments: Any, **options: Any) -> tuple[torch.nn.Module, Any, Any]:
    """Create a model whose convolutions work on channels last, and transforms.

    On a CPU this trains ResNets a quarter faster, others as before (GPUs: not measured). The first
    transform, of the training, is ``INPUT``'s from now on; the loader is given one that does
    nothing.
    """
    model, train_transform, transform = create_model(*arguments, **options)
    INPUT.preprocessing = training_preprocessing(train_transform)
    return model.to(memory_format=torch.channels_last), torch.nn.Identity(), transform


def without_device(model: torch.nn.Module, device_ids: object, **options: Any) -> torch.nn.Module:
    """Distribute a model over processes that compute on a CPU, of which torch takes no name."""
    return DistributedDataParallel(model, **options)


def replace_loader(folder: Path, options: Namespace, shards: Sequence[TrainingShard]) -> None:
    """Let open_clip_train's loader read a training set as this module and ``INPUT`` do.

    Args:
        folder: Where the workers' logs are.
        options: open_clip_train's own.
        shards: The training set; open_clip_train names them by their positions.
    """
    SeededShardShuffle.folder = folder
    SeededShardShuffle.batch_size = options.batch_size
    open_clip_train.data.detshuffle2 = SeededShardShuffle
    open_clip_train.data.tarfile_to_samples_nothrow = functools.partial(
        trainable_samples, shards=shards, watch=Watch(folder / ENDED)
    )
    # The module random, not an instance: it is the one that seed_worker seeds.
    webdataset.shuffle = functools.partial(webdataset.shuffle, rng=random)
    webdataset.decode = lambda *_, **__: INPUT.decoded
    # It makes a batch in memory that the processes share; webdataset's own makes it twice.
    webdataset.batched = functools.partial(webdataset.batched, collation_fn=default_collate)
    if options.device != "cpu":
        webdataset.WebLoader = functools.partial(webdataset.WebLoader, pin_memory=True)
    open_clip_train.main.get_tokenizer = tokenize_faster(open_clip_train.main.get_tokenizer)


def train(arguments: list[str]) -> None:
    """Run open_clip_train's main with seeded workers; its log tells the time left.

    A shard that comes in part ends the run, which can go on from its checkpoint. open_clip would
    train without the rest of the shard and repeat other samples instead, logging little or nothing.

    On a full disk it exits silently with status ENOSPC: its checkpoints fill the disk; the caller
    deletes them and then reports it.
    """
    options = parse_args(arguments)
    os.environ["POLARS_MAX_THREADS"] = "1"  # else each worker has as many as the machine has cores
    logging.raiseExceptions = False  # a line that finds no space in a log stops no training
    logging.getLogger().addFilter(TimeLeft(options.epochs))
    folder = Path(options.logs, options.name)
    shard_list = read_shard_list(Path(options.logs, SHARD_LIST))
    replace_loader(folder, options, shard_list.shards)
    open_clip_train.main.train_one_epoch = checking_epochs(
        INPUT.normalising(open_clip_train.main.train_one_epoch), folder, shard_list.skipped
    )
    end_when_told(folder / ENDED, BAD_INPUT)
    open_clip_train.main.create_model_and_transforms = create_channels_last
    torch.optim.AdamW = FusedAdamW  # type: ignore[misc, assignment]
    if options.device == "cpu":
        torch.nn.parallel.DistributedDataParallel = without_device  # type: ignore[misc, assignment]
        # On a CPU torch's flash attention is slow in bfloat16: without it a step takes three
        # quarters of the time (docs/performance.md). The switch holds for CPUs too.
        torch.backends.cuda.enable_flash_sdp("bf16" not in options.precision)
    try:
        with telling_no_space(folder):
            status = open_clip_train.main.main(arguments)
    except NoSpaceError:
        sys.exit(errno.ENOSPC)
    except InputError as error:
        write_text(folder / ENDED, reason_of(error))
        sys.exit(BAD_INPUT)
    if status:  # it returns -1 where it refuses to start
        raise SystemExit(
            f"open_clip_train refused to start (status {status}); see its message above"
        )
