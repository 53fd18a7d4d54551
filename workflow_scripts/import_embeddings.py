"""Take the embeddings of one chunk from files that exist already, in clip-retrieval's layout."""

import argparse
import logging
from dataclasses import asdict
from pathlib import Path

import polars as pl
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, read_chunk, require_unchanged
from gapmatch.data.image_stream import Use, describe_shard
from gapmatch.embed.embedding import METADATA_SCHEMA, REJECTED_SCHEMA
from gapmatch.embed.given_embeddings import find, given_files, require_same_model, write_given
from gapmatch.models.image_encoders import add_encoder_arguments, chosen_encoder
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)


def describe(chunk: Chunk) -> pl.DataFrame:
    """Return what is known of a chunk's samples, in order: METADATA_SCHEMA and reason."""
    rows = []
    with tqdm(total=chunk.samples, unit="sample", mininterval=5, desc="samples") as bar:
        for shard in chunk.shards:
            found = [asdict(sample) for sample in describe_shard(shard.path, Use.TRAINING)]
            if len(found) != shard.samples:
                raise InputError(
                    f"{shard.path} holds {len(found)} samples, its chunk.json says "
                    f"{shard.samples}: the shard changed after it was listed"
                )
            rows.append(pl.DataFrame(found, schema={**METADATA_SCHEMA, "reason": pl.String}))
            bar.update(len(found))
    return pl.concat(rows)


def main() -> None:
    """Find the chunk's embeddings and write them with metadata and the list of rejected samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=Path, required=True, help="folder of the chunk's shards")
    parser.add_argument(
        "--given", type=Path, required=True, help="folder with img_emb/ and metadata/"
    )
    add_encoder_arguments(parser)
    parser.add_argument("--img-emb", type=Path, required=True, help="output: embeddings (.npy)")
    parser.add_argument("--metadata", type=Path, required=True, help="output: metadata (.parquet)")
    parser.add_argument("--rejected", type=Path, required=True, help="output: rejected samples")
    arguments = parser.parse_args()

    chunk = read_chunk(arguments.chunk)
    require_unchanged(chunk)
    files = given_files(arguments.given)
    samples = describe(chunk)
    unusable = samples.filter(pl.col("reason").is_not_null())
    samples = samples.filter(pl.col("reason").is_null())
    places = find(files, samples["image_path"])
    if not places.found.any():
        raise InputError(
            f"{arguments.given} has no embedding of the {len(samples)} samples of chunk "
            f"{chunk.chunk} that can be used: expected their keys, such as "
            f"{samples['image_path'].head(1).to_list()}, in metadata's column image_path"
        )
    require_same_model(chunk, samples["image_path"], files, places, chosen_encoder(arguments))
    logger.info("%d of %d samples have an embedding", places.found.sum(), chunk.samples)
    found = pl.Series(places.found)
    without = samples.filter(~found)
    without = without.with_columns(reason=pl.lit(f"no embedding in {arguments.given}"))
    lost = pl.concat([unusable, without])
    write_given(arguments.img_emb, files, places)
    write_parquet(arguments.metadata, samples.filter(found).select(*METADATA_SCHEMA))
    write_parquet(arguments.rejected, lost.select(*REJECTED_SCHEMA))


if __name__ == "__main__":
    run(main)
