"""Embed the images of one chunk with a model; continues at the last finished shard."""

import argparse
import functools
import shutil
from pathlib import Path

from gapmatch import embedding
from gapmatch.chunks import read_chunk
from gapmatch.command_line import run
from gapmatch.image_encoders import clip_encoder, timm_encoder
from gapmatch.resumption import claim_state
from gapmatch.weights import choose_device


def main() -> None:
    """Embed the chunk and write embeddings, metadata and the list of rejected samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=Path, required=True, help="folder of the chunk's shards")
    parser.add_argument(
        "--library", choices=("open_clip", "timm"), default="open_clip", help="whose model it is"
    )
    parser.add_argument(
        "--model", required=True, help="model of the library; open_clip's may be local-dir:FOLDER"
    )
    parser.add_argument("--pretrained", help="tag of published weights (open_clip)")
    parser.add_argument(
        "--checkpoint", type=Path, help="file of weights; without it, published ones"
    )
    parser.add_argument(
        "--image-size", type=int, help="side of the model's input, pixels (timm); default: its own"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--batch-size", type=int, default=256, help="images per batch")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode images")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder of finished shards; survives a kill"
    )
    parser.add_argument("--img-emb", type=Path, required=True, help="output: embeddings (.npy)")
    parser.add_argument("--metadata", type=Path, required=True, help="output: metadata (.parquet)")
    parser.add_argument("--rejected", type=Path, required=True, help="output: rejected samples")
    arguments = parser.parse_args()

    chunk = read_chunk(arguments.chunk)
    device = choose_device(arguments.device)
    model, weights = arguments.model, arguments.checkpoint
    if arguments.library == "timm":
        encoder = timm_encoder(model, device, weights, arguments.image_size)
    else:
        encoder = clip_encoder(model, device, arguments.pretrained, weights)
    claim_state(arguments.state, embedding.fingerprint(chunk, encoder))
    embed = functools.partial(
        embedding.embed_shard,
        encoder=encoder,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    shards = embedding.embed_chunk(
        chunk, lambda shard, progress: embed(shard, progress=progress), arguments.state
    )
    embedding.join_shards(chunk, shards, arguments.img_emb, arguments.metadata, arguments.rejected)
    shutil.rmtree(arguments.state)


if __name__ == "__main__":
    run(main)
