"""Training a small image classifier on the reference, held in memory; resumed at its last epoch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from timm.scheduler.cosine_lr import CosineLRScheduler
from torch.nn.functional import cross_entropy
from torchvision.transforms import v2
from tqdm import tqdm

from gapmatch.data.chunks import Chunk
from gapmatch.data.fast_decoding import OwnTransform
from gapmatch.data.image_stream import image_batches
from gapmatch.data.samples import Use
from gapmatch.models.classifiers import pretrained_config
from gapmatch.models.weights import autocast, not_finite
from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError

MAX_IMAGES = 100_000
DECODED_AT_ONCE = 256
WARM_UP_EPOCHS = 2
CROPPED_AREA = (0.5, 1.0)
CHECKPOINT = "latest.pt"


@dataclass(frozen=True)
class ClassifierOptions:
    """What defines a training besides its data.

    Attributes:
        model: Model name of timm.
        image_size: Side of its input, pixels.
        epochs: Passes over the images.
        batch_size: Images per step.
        lr: Peak learning rate.
        weight_decay: Weight decay of AdamW.
        seed: Seed of weights, order and augmentation.
    """

    model: str
    image_size: int
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    seed: int


@dataclass(frozen=True)
class Images:
    """A labelled dataset in memory.

    Attributes:
        pixels: (n, 3, side, side) uint8.
        labels: (n,) int64, positions in ``classes``.
        classes: Names of the classes.
        skipped: Number of images that could not be read.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    skipped: int


@dataclass
class Progress:
    """Where a training stands: epochs finished, and the mean loss of the last of them."""

    epochs: int = 0
    loss: float = float("nan")


def read_images(chunks: Sequence[Chunk], side: int, workers: int) -> Images:
    """Decode all images of a dataset once, as squares from their centres.

    Args:
        chunks: Its chunks, one at least.
        side: Side of the squares, pixels.
        workers: Processes that decode.

    Raises:
        InputError: There are more than MAX_IMAGES, none that can be read, or one has no label.
    """
    samples = sum(chunk.samples for chunk in chunks)
    if samples > MAX_IMAGES:
        raise InputError(
            f"{chunks[0].dataset} has {samples} images, expected at most {MAX_IMAGES} to train a "
            "classifier on: those of ImageNet come trained, name one with kind: timm"
        )
    square = OwnTransform(v2.Compose([v2.Resize(side), v2.CenterCrop(side), v2.PILToTensor()]))
    blocks, labels, skipped = [], [], 0
    with tqdm(total=samples, unit="image", mininterval=5, desc="decode") as bar:
        shards = [shard.path for chunk in chunks for shard in chunk.shards]
        for batch, pixels in image_batches(shards, square, DECODED_AT_ONCE, workers, Use.TEST):
            read = [sample for sample in batch if sample.reason is None]
            blocks += [pixels] if read else []
            labels += [sample.label for sample in read]
            skipped += len(batch) - len(read)
            bar.update(len(batch))
    if not labels or None in labels:
        raise InputError(
            f"{chunks[0].dataset}: {labels.count(None)} of {len(labels)} images have no label; a "
            "classifier needs one image at least, and a label for each"
        )
    return Images(torch.cat(blocks), torch.tensor(labels), chunks[0].classes, skipped)


def fingerprint(settings: ClassifierOptions, chunks: Sequence[Chunk], device: torch.device) -> str:
    """Return a hash of what the weights depend on: settings, device, and the shards.

    Shards are told by name, number of samples, size and time.
    """
    rows = []
    for shard in (shard for chunk in chunks for shard in chunk.shards):
        stat = shard.path.stat()
        rows.append((shard.path.name, shard.samples, stat.st_size, stat.st_mtime_ns))
    values = [asdict(settings), chunks[0].classes, device.type, rows]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def train(
    images: Images, settings: ClassifierOptions, device: torch.device, state: Path
) -> tuple[dict[str, torch.Tensor], float]:
    """Train a classifier: AdamW, cosine schedule, cross-entropy, random crops.

    An epoch's order and crops follow from (seed, epoch), and its end is kept in ``state``: a
    training that was killed goes on there and ends with the same weights.

    Returns:
        The weights, on the CPU, and the mean loss of the last epoch.

    Raises:
        InputError: The model is unknown or of a fixed input size, a batch holds more images than
            there are, or weights are not finite.
    """
    steps = len(images.labels) // settings.batch_size
    if not steps:
        raise InputError(
            f"classifier {settings.model}: batch_size is {settings.batch_size}, expected at most "
            f"the number of images, {len(images.labels)}"
        )
    network = _new_network(settings, len(images.classes)).to(device).train()
    optimizer = create_optimizer_v2(
        network, "adamw", lr=settings.lr, weight_decay=settings.weight_decay
    )
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=settings.epochs * steps,
        warmup_t=min(WARM_UP_EPOCHS, settings.epochs - 1) * steps,
        t_in_epochs=False,
    )
    progress = _resume(state / CHECKPOINT, network, optimizer)
    with tqdm(
        total=settings.epochs * steps * settings.batch_size,
        initial=progress.epochs * steps * settings.batch_size,
        unit="image",
        mininterval=5,
        desc="train",
    ) as bar:
        while progress.epochs < settings.epochs:
            progress.loss = _train_epoch(
                images, settings, network, optimizer, schedule, progress.epochs, bar
            )
            progress.epochs += 1
            _require_finite(network, settings)
            _save(state / CHECKPOINT, network, optimizer, progress)
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    return weights, progress.loss


def _new_network(settings: ClassifierOptions, classes: int) -> torch.nn.Module:
    if pretrained_config(settings.model).fixed_input_size:
        raise InputError(
            f"classifier {settings.model}: it takes images of one size only, expected a model for "
            "any size, such as test_resnet or resnet10t"
        )
    torch.manual_seed(settings.seed)
    network: torch.nn.Module = timm.create_model(settings.model, num_classes=classes)
    return network


def _train_epoch(
    images: Images,
    settings: ClassifierOptions,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: CosineLRScheduler,
    epoch: int,
    bar: "tqdm[None]",
) -> float:
    """Train for an epoch of whole batches and return its mean loss."""
    key = np.random.SeedSequence((settings.seed, epoch))
    torch.manual_seed(int(key.generate_state(1, np.uint64)[0]))
    augment = _augmentation(settings)
    device = next(network.parameters()).device
    # What fills no batch is left out; it is other images in each epoch.
    steps = len(images.labels) // settings.batch_size
    order = torch.randperm(len(images.labels))[: steps * settings.batch_size]
    batches = order.view(steps, settings.batch_size)
    total = 0.0
    for number, rows in enumerate(batches):
        schedule.step_update(epoch * steps + number)
        # One by one: a batch as a whole would be cropped all alike.
        pixels = torch.stack([augment(image) for image in images.pixels[rows]]).to(device)
        with autocast(device):
            logits = network(pixels)
        loss = cross_entropy(logits.float(), images.labels[rows].to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
        bar.update(len(rows))
        bar.set_postfix(epoch=epoch, loss=f"{total / (number + 1):.3f}", refresh=False)
    return total / steps


def _augmentation(settings: ClassifierOptions) -> v2.Compose:
    """Return random crops, without mirror images: of emoji some differ by just that."""
    config = pretrained_config(settings.model)
    return v2.Compose(
        [
            v2.RandomResizedCrop(settings.image_size, scale=CROPPED_AREA),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(config.mean, config.std),
        ]
    )


def _require_finite(network: torch.nn.Module, settings: ClassifierOptions) -> None:
    if broken := not_finite(network.state_dict()):
        raise InputError(
            f"classifier {settings.model}: the weights are no longer finite ({broken[0]}); lower "
            f"its lr, which is {settings.lr}"
        )


def _resume(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Take up what ``_save`` kept, if there is something."""
    if not path.exists():
        return Progress()
    kept = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(kept["network"])
    optimizer.load_state_dict(kept["optimizer"])
    return Progress(kept["epochs"], kept["loss"])


def _save(
    path: Path,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    kept = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        **asdict(progress),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(kept, file)
