"""Train a CLIP model on a subset of the pool together with the reference."""

from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.train.streaming import training_shards
from gapmatch.train.training import TrainingOptions, TrainingOutputs, train


def train_clip(
    *,
    training_set: str,
    pool: list[Path] | None = None,
    kept: Path | None = None,
    reference: list[Path] | None = None,
    reference_kept: Path | None = None,
    options: TrainingOptions,
    state: Path,
    outputs: TrainingOutputs,
) -> None:
    """Train a CLIP model on a subset of the pool together with the reference.

    Args:
        training_set: Name of the training set.
        pool: Folders of pool chunks.
        kept: Folder with kept_<chunk>.parquet; without it all is kept.
        reference: Folders of reference chunks.
        reference_kept: Folder like --kept, of the reference's chunks.
        options: How to train.
        state: Folder of checkpoints; survives a kill.
        outputs: What is written.
    """
    shards = training_shards(pool or [], kept), training_shards(reference or [], reference_kept)
    train(training_set, *shards, options, state, outputs)


if __name__ == "__main__":
    run(train_clip)
