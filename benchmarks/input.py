"""Measure what images cost on their way to a model, against open_clip's own way.

First one image, by format and size; then the loops of embedding and of training, with a model that
costs nothing.
"""

import argparse
import gc
import os
import tempfile
from argparse import Namespace
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import open_clip.tokenizer
import open_clip_train.data
import open_clip_train.main
import pyarrow
import pyarrow.parquet
import torch
import webdataset
from images import encoded, make_shard
from open_clip_train.params import parse_args
from timing import Contender, Seconds, machine, table, wall_and_processor

from gapmatch.data.chunks import Shard
from gapmatch.data.fast_decoding import OwnTransform, ReadImage
from gapmatch.data.samples import Use
from gapmatch.embed.embedding import embed_shards
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.models.preprocessing import preprocessing
from gapmatch.train.reproducible_training import INPUT, replace_loader
from gapmatch.train.streaming import TrainingShard
from gapmatch.train.training_input import NormalisedBatches, training_preprocessing

CPU = torch.device("cpu")
BATCH_SIZE = 256
KEPT = 0.9
"""Share of the samples that a training keeps."""
REPLACED: list[tuple[Any, str]] = [
    (open_clip_train.data, "detshuffle2"),
    (open_clip_train.data, "tarfile_to_samples_nothrow"),
    (open_clip_train.main, "get_tokenizer"),
    (open_clip.tokenizer, "basic_clean"),
    (webdataset, "shuffle"),
    (webdataset, "decode"),
    (webdataset, "batched"),
]
"""What the workflow replaces in open_clip's loader."""
OWN = [getattr(module, name) for module, name in REPLACED]


def read_all(read: ReadImage, contents: Sequence[bytes]) -> None:
    """Read images as a worker does."""
    for content in contents:
        read(content)


def measure_images(size: int, count: int, rounds: int) -> list[list[object]]:
    """Return rows of a table: what an image costs, by transform, format and size."""
    rows: list[list[object]] = []
    for training in (False, True):
        transform = open_clip.image_transform(size, is_train=training)
        ours = (training_preprocessing if training else partial(preprocessing, ""))(transform)
        for side in (256, 512):
            for kind in ("JPEG", "WEBP", "PNG"):
                contents = encoded(side, kind, count)
                contenders: dict[str, Contender] = {
                    "open_clip": partial(read_all, OwnTransform(transform), contents),
                    "ours": partial(read_all, ours.read, contents),
                }
                seconds = wall_and_processor(contenders, rounds)
                own, fast = (1000 * seconds[name].processor / count for name in contenders)
                what = "training" if training else "evaluation"
                rows.append([what, kind, side, f"{own:.2f}", f"{fast:.2f}", f"{own / fast:.1f}"])
    return rows


def encode(pixels: torch.Tensor) -> torch.Tensor:
    """Return some pixels for features: the least that a model can cost."""
    return pixels[:, :, ::56, ::56].flatten(1)


@torch.no_grad()
def embed_by_webdataset(tars: Sequence[Path], size: int, workers: int) -> None:
    """Embed shards with open_clip's transform in a loader of webdataset."""
    dataset = (
        webdataset.WebDataset(list(map(str, tars)), shardshuffle=False)
        .decode("pilrgb")
        .rename(image="jpg;png;webp")
        .map_dict(image=open_clip.image_transform(size, is_train=False))
        .to_tuple("image")
        .batched(BATCH_SIZE)
    )
    for (images,) in webdataset.WebLoader(dataset, batch_size=None, num_workers=workers):
        encode(images).numpy()


def embed_by_workflow(shards: Sequence[Shard], encoder: ImageEncoder, workers: int) -> None:
    """Embed shards as the workflow does."""
    options = (BATCH_SIZE, workers, Use.TRAINING, lambda _: None)
    deque(embed_shards(shards, encoder, *options), maxlen=0)


def training_loader(options: Namespace, transform: Any) -> Any:
    """Return open_clip_train's loader, as it is at the moment."""
    tokenizer = open_clip_train.main.get_tokenizer(options.model)
    return open_clip_train.data.get_wds_dataset(
        options, transform, is_train=True, tokenizer=tokenizer
    ).dataloader


def train_options(train_data: str, samples: int, workers: int, logs: Path) -> Namespace:
    """Return open_clip_train's options."""
    options: Namespace = parse_args(
        [
            *("--train-data", train_data, "--train-num-samples", str(samples)),
            *("--batch-size", str(BATCH_SIZE), "--workers", str(workers)),
            *("--model", "ViT-B-32", "--device", "cpu", "--logs", str(logs), "--name", "run"),
        ]
    )
    options.world_size = 1
    return options


def read_by_open_clip(shards: Sequence[TrainingShard], size: int, workers: int) -> None:
    """Read an epoch with open_clip's own loader, all samples."""
    for (module, name), own in zip(REPLACED, OWN, strict=True):
        setattr(module, name, own)
    tars = "::".join(str(shard.tar) for shard in shards)
    samples = sum(shard.samples for shard in shards)
    options = train_options(tars, samples, workers, Path())
    deque(training_loader(options, open_clip.image_transform(size, is_train=True)), maxlen=0)


def read_by_workflow(shards: Sequence[TrainingShard], size: int, workers: int, logs: Path) -> None:
    """Read an epoch as the workflow does: what is kept, to normalised batches."""
    samples = sum(shard.samples for shard in shards)
    options = train_options(f"{{0..{len(shards) - 1}}}", samples, workers, logs)
    replace_loader(logs / "run", options, shards)
    INPUT.preprocessing = training_preprocessing(open_clip.image_transform(size, is_train=True))
    loader = training_loader(options, torch.nn.Identity())
    deque(NormalisedBatches(loader, INPUT.preprocessing, CPU), maxlen=0)


def measure_loops(
    folder: Path, size: int, images: int, rounds: int, workers: Sequence[int]
) -> list[list[object]]:
    """Return rows of a table: what the loops of embedding and training reach."""
    (folder / "run").mkdir()
    contents = encoded(256, "JPEG", min(images, 500))
    rng = np.random.default_rng(0)
    whole, kept = [], []
    for number in range(4):
        tar = folder / f"{number:05d}.tar"
        keys = make_shard(tar, [contents[at % len(contents)] for at in range(images // 4)])
        whole.append(TrainingShard(tar, len(keys), None))
        chosen = sorted(rng.choice(keys, round(KEPT * len(keys)), replace=False))
        table_of = folder / f"{number}.parquet"
        columns = {"image_path": chosen, "shard": [tar.name] * len(chosen)}
        pyarrow.parquet.write_table(pyarrow.table(columns), table_of)
        kept.append(TrainingShard(tar, len(chosen), table_of))
    read = preprocessing("", open_clip.image_transform(size, is_train=False))
    encoder = ImageEncoder("", {}, read, encode, CPU)
    tars = [shard.tar for shard in whole]
    shards = [Shard(shard.tar, shard.samples) for shard in whole]
    training: dict[str, Contender] = {}
    embedding: dict[str, Contender] = {}
    for count in workers:
        training |= {
            f"training, {count}, open_clip": partial(read_by_open_clip, whole, size, count),
            f"training, {count}, ours": partial(read_by_workflow, kept, size, count, folder),
        }
        embedding |= {
            f"embedding, {count}, open_clip": partial(embed_by_webdataset, tars, size, count),
            f"embedding, {count}, ours": partial(embed_by_workflow, shards, encoder, count),
        }
    # Workers of a training use polars, which hangs in a process forked from one that used it.
    seconds = wall_and_processor(training, rounds) | wall_and_processor(embedding, rounds)
    return [_row(name, seconds, images, workers) for name in seconds]


def _row(
    name: str, seconds: dict[str, Seconds], images: int, workers: Sequence[int]
) -> list[object]:
    """Return a row: rates, and how they compare with open_clip's and with fewer workers'."""
    loop, count, who = name.split(", ")

    def rate(contender: str) -> float:
        share = KEPT if contender.startswith("training") and contender.endswith("ours") else 1
        return share * images / seconds[contender].wall

    share = KEPT if loop == "training" and who == "ours" else 1
    processor = 1000 * seconds[name].processor / (share * images)
    fewest = f"{loop}, {workers[0]}, {who}"
    scaling = rate(name) / rate(fewest) * workers[0] / int(count)
    gain = rate(name) / rate(f"{loop}, {count}, open_clip")
    return [
        loop,
        count,
        who,
        f"{rate(name):.0f}",
        f"{processor:.2f}",
        f"{gain:.1f}",
        f"{scaling:.2f}",
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224, help="of the model's input, pixels")
    parser.add_argument("--images", type=int, default=4000, help="of the loops")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    least = int(max(args.workers) * BATCH_SIZE / KEPT) + 1
    if args.images < least:
        parser.error(f"--images: {least} at least, or a worker of a training gets no batch")
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # else the benchmark's own collections cost more than some loops
    os.environ["POLARS_MAX_THREADS"] = "1"
    columns = ["transform", "format", "px", "open_clip's own, ms", "ours, ms", "times as fast"]
    print(
        f"Processor time to decode an image and transform it to {args.size} px, one thread. "
        f"{machine()}.\n"
    )
    print(table(columns, measure_images(args.size, min(args.images, 100), args.rounds)))
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_loops(Path(folder), args.size, args.images, args.rounds, args.workers)
    columns = [
        "loop",
        "workers",
        "implementation",
        "images/s",
        "processor, ms",
        "times as fast",
        "scaling",
    ]
    print(
        f"\nLoops to {args.size} px over {args.images:,} JPEGs of 256 px, medians of "
        f"{args.rounds} rounds; the training keeps {KEPT:.0%} of the samples.\n"
    )
    print(table(columns, rows))


if __name__ == "__main__":
    main()
