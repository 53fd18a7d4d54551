"""Train an embedder, a CLIP model, on the whole pool."""

from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.train.streaming import training_shards
from gapmatch.train.training import TrainingOptions, TrainingOutputs, train


def train_embedder(
    *,
    embedder: str,
    pool: list[Path],
    options: TrainingOptions,
    state: Path,
    outputs: TrainingOutputs,
) -> None:
    """Train an embedder, a CLIP model, on the whole pool.

    Args:
        embedder: Its name in the study.
        pool: Folders of pool chunks.
        options: How to train.
        state: Folder of checkpoints; survives a kill.
        outputs: What is written.
    """
    train(embedder, training_shards(pool, None), [], options, state, outputs)


if __name__ == "__main__":
    run(train_embedder)
