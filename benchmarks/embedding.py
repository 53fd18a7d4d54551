"""Measure embedding against its two parts: the bare forward pass, and decoding alone.

Where both take a like time, embedding as fast as the slower of them is the best there can be.
"""

import argparse
import tempfile
from collections import deque
from functools import partial
from pathlib import Path

import open_clip
import torch
from images import encoded, make_shard
from timing import in_turn, machine, table

from gapmatch.data.chunks import Shard
from gapmatch.data.image_stream import image_batches
from gapmatch.data.samples import Use
from gapmatch.embed.batch_encoder import BatchEncoder
from gapmatch.embed.embedding import embed_shards
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.models.preprocessing import preprocessing


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ViT-B-16-plus-240", help="random weights are used")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=256, help="side of the JPEGs, in pixels")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network, _, preprocess = open_clip.create_model_and_transforms(args.model)
    network = network.to(device).eval()
    encode = network.encode_image
    read = preprocessing(args.model, preprocess)
    encoder = ImageEncoder(args.model, network.state_dict(), read, encode, device)
    with tempfile.TemporaryDirectory() as folder:
        shard = Shard(Path(folder) / "00000.tar", args.images)
        make_shard(shard.path, encoded(args.size, "JPEG", args.images))
        tars = [shard.path]
        decoding = partial(
            image_batches, tars, read.read, args.batch_size, args.workers, Use.TRAINING
        )
        batches = BatchEncoder(encoder, args.batch_size)
        decoded = [pixels for _, pixels in decoding()]

        def forward() -> None:
            for pixels in decoded:
                batches.add(pixels)
                batches.fetch(batches.encode())

        def decode() -> None:
            deque(decoding(), maxlen=0)

        def embed() -> None:
            options = (args.batch_size, args.workers, Use.TRAINING, lambda _: None)
            deque(embed_shards([shard], encoder, *options), maxlen=0)

        seconds = in_turn({"forward": forward, "decode": decode, "embed": embed}, args.rounds)
    print(
        f"{args.model}, {args.images} JPEGs of {args.size} px, batches of {args.batch_size}, "
        f"{args.workers} decoding workers, on {device}. {machine()}.\n"
    )
    slower = max(seconds["forward"], seconds["decode"])
    lines = [
        [name, f"{args.images / value:.1f}", f"{slower / value:.2f}"]
        for name, value in seconds.items()
    ]
    print(table(["what", "images/s", "of the slower part"], lines))


if __name__ == "__main__":
    main()
