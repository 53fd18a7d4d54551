"""Train a CLIP model on a subset of the pool together with the reference."""

import argparse
import logging
import shutil
from importlib.metadata import version
from pathlib import Path

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.models.precision import training_precision
from gapmatch.models.weights import choose_device, save_weights
from gapmatch.running.atomic import atomic_path, write_json
from gapmatch.running.command_line import run
from gapmatch.running.resumption import claim_state
from gapmatch.train import training
from gapmatch.train.streaming import Manifest, TrainingShard, kept_shards, write_manifest

logger = logging.getLogger(__name__)


def parse() -> argparse.Namespace:
    """Define and read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training-set", required=True, help="name of the training set")
    parser.add_argument("--pool", type=Path, nargs="*", default=[], help="folders of pool chunks")
    parser.add_argument(
        "--kept", type=Path, help="folder with kept_CHUNK.parquet; without it all is kept"
    )
    parser.add_argument(
        "--reference", type=Path, nargs="*", default=[], help="folders of reference chunks"
    )
    parser.add_argument(
        "--reference-kept", type=Path, help="folder like --kept, of the reference's chunks"
    )
    parser.add_argument("--model", required=True, help="open_clip model, or local-dir:FOLDER")
    parser.add_argument("--epochs", type=int, required=True, help="passes over the data")
    parser.add_argument("--batch-size", type=int, required=True, help="over all GPUs, samples")
    parser.add_argument("--lr", type=float, required=True, help="peak learning rate")
    parser.add_argument("--warmup", type=int, required=True, help="steps")
    parser.add_argument("--weight-decay", type=float, required=True, help="of AdamW")
    parser.add_argument(
        "--precision", required=True, help="auto, fp32, amp, amp_bf16, bf16 or fp16"
    )
    parser.add_argument(
        "--grad-checkpointing", action="store_true", help="keep no activations: less memory"
    )
    parser.add_argument("--max-skipped", type=float, required=True, help="share of samples")
    parser.add_argument("--seed", type=int, required=True, help="of weights and order")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to train on")
    parser.add_argument("--workers", type=int, default=1, help="loader processes per GPU, at most")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder of checkpoints; survives a kill"
    )
    parser.add_argument("--weights", type=Path, required=True, help="output: model.pt")
    parser.add_argument("--metrics", type=Path, required=True, help="output: metrics.csv")
    parser.add_argument("--summary", type=Path, required=True, help="output: training.json")
    return parser.parse_args()


def training_shards(folders: list[Path], kept: Path | None) -> list[TrainingShard]:
    """List the shards of a dataset's chunks, of which all or what a folder says is kept."""
    chunks = [read_chunk(folder) for folder in folders]
    for chunk in chunks:
        require_unchanged(chunk)
    return [
        shard
        for chunk in chunks
        for shard in kept_shards(chunk, kept / f"kept_{chunk.chunk}.parquet" if kept else None)
    ]


def main() -> None:
    """Train, verify and write the weights."""
    arguments = parse()
    pool = training_shards(arguments.pool, arguments.kept)
    reference = training_shards(arguments.reference, arguments.reference_kept)
    shards = pool + reference
    device = choose_device(arguments.device)
    precision = training_precision(arguments.precision, device)
    logger.info("precision %s: %s", precision.name, precision.reason)
    asked = training.Settings(
        model=arguments.model,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        lr=arguments.lr,
        warmup=arguments.warmup,
        weight_decay=arguments.weight_decay,
        precision=precision.name,
        grad_checkpointing=arguments.grad_checkpointing,
        seed=arguments.seed,
        max_skipped=arguments.max_skipped,
        device=device.type,
        gpus=arguments.gpus,
        workers=arguments.workers,
    )
    settings = training.checked(asked, shards)
    samples = sum(shard.samples for shard in shards)

    state = arguments.state.absolute()
    lock = claim_state(state, training.fingerprint(settings, shards))
    allowed = training.may_skip(settings, samples)
    write_manifest(state / training.MANIFEST, Manifest(shards, allowed))
    training.run(training.command(settings, shards, state), lock, state)

    weights, skipped = training.verify(state, settings, samples)
    metrics = training.read_metrics(state, settings, samples)
    with atomic_path(arguments.metrics) as temporary:
        metrics.write_csv(temporary)
    write_json(
        arguments.summary,
        {
            "training_set": arguments.training_set,
            "seed": settings.seed,
            "samples": samples,
            "pool_samples": sum(shard.samples for shard in pool),
            "reference_samples": sum(shard.samples for shard in reference),
            "skipped": skipped,
            "seen": samples * settings.epochs - skipped,
            "epochs": settings.epochs,
            "model": settings.model,
            "precision": precision.name,
            "precision_reason": precision.reason,
            "device": settings.device,
            "gpus": settings.gpus,
            "workers": settings.workers,
            "versions": {
                name: version(name) for name in ("torch", "open_clip_torch", "webdataset")
            },
        },
    )
    save_weights(arguments.weights, weights)
    shutil.rmtree(state)


if __name__ == "__main__":
    run(main)
