"""Embed the images of one chunk with a CLIP model; continues at the last finished shard."""

import argparse
import functools
import shutil
from pathlib import Path

from gapmatch import embedding
from gapmatch.atomic import write_parquet
from gapmatch.chunks import read_chunk
from gapmatch.clip_models import load_clip
from gapmatch.command_line import run
from gapmatch.embedding_files import write_embeddings
from gapmatch.resumption import claim_state
from gapmatch.weights import choose_device


def main() -> None:
    """Embed the chunk and write embeddings, metadata and the list of rejected samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=Path, required=True, help="folder of the chunk's shards")
    parser.add_argument("--model", required=True, help="open_clip model, or local-dir:FOLDER")
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--pretrained", help="tag of published weights")
    weights.add_argument("--checkpoint", type=Path, help="file of weights")
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
    network, preprocess, _ = load_clip(
        arguments.model, device, arguments.pretrained, arguments.checkpoint
    )
    identity = embedding.fingerprint(chunk, network.state_dict(), arguments.model)
    claim_state(arguments.state, identity)
    embed = functools.partial(
        embedding.embed_shard,
        network=network,
        preprocess=preprocess,
        device=device,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    embedded = embedding.embed_chunk(
        chunk, lambda shard, progress: embed(shard, progress=progress), arguments.state
    )
    write_embeddings(arguments.img_emb, embedded.embeddings)
    write_parquet(arguments.metadata, embedded.metadata)
    write_parquet(arguments.rejected, embedded.rejected)
    shutil.rmtree(arguments.state)


if __name__ == "__main__":
    run(main)
