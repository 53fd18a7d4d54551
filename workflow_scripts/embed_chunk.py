"""Embed the images of one chunk with a model; continues at the last finished shard."""

import argparse
import functools
import shutil
from pathlib import Path

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.data.image_stream import Use
from gapmatch.embed import embedding
from gapmatch.models.image_encoders import add_encoder_arguments, chosen_encoder
from gapmatch.running.command_line import run
from gapmatch.running.resumption import claim_state


def main() -> None:
    """Embed the chunk and write embeddings, metadata and the list of rejected samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=Path, required=True, help="folder of the chunk's shards")
    parser.add_argument(
        "--use",
        type=Use,
        choices=list(Use),
        required=True,
        help="what for: a training needs captions, a test labels",
    )
    add_encoder_arguments(parser)
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
    require_unchanged(chunk)
    encoder = chosen_encoder(arguments)
    claim_state(arguments.state, embedding.fingerprint(chunk, encoder))
    embed = functools.partial(
        embedding.embed_shard,
        encoder=encoder,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        use=arguments.use,
    )
    shards = embedding.embed_chunk(
        chunk, lambda shard, progress: embed(shard, progress=progress), arguments.state
    )
    embedding.join_shards(chunk, shards, arguments.img_emb, arguments.metadata, arguments.rejected)
    shutil.rmtree(arguments.state)


if __name__ == "__main__":
    run(main)
