"""Taking embeddings that exist already: from their files to those of a chunk."""

import logging
from pathlib import Path

import polars as pl

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.embed import given_embeddings
from gapmatch.embed.embedding import METADATA_SCHEMA, REJECTED_SCHEMA
from gapmatch.embed.encoder_settings import EncoderSettings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)


def import_embeddings(
    *,
    data: Path,
    given: Path,
    encoder: EncoderSettings,
    img_emb: Path,
    metadata: Path,
    rejected: Path,
) -> None:
    """Take the embeddings of one chunk from files that exist already, in clip-retrieval's layout.

    Args:
        data: Folder of the chunk's shards.
        given: Folder with img_emb/ and metadata/.
        encoder: The model that they are to be of.
        img_emb: Output: embeddings (.npy).
        metadata: Output: metadata (.parquet).
        rejected: Output: rejected samples (.parquet).
    """
    chunk = read_chunk(data)
    require_unchanged(chunk)
    files = given_embeddings.given_files(given)
    samples = given_embeddings.describe(chunk)
    unusable = samples.filter(pl.col("reason").is_not_null())
    samples = samples.filter(pl.col("reason").is_null())
    places = given_embeddings.find(files, samples["image_path"])
    if not places.found.any():
        raise InputError(
            f"{given} has no embedding of the {len(samples)} samples of chunk "
            f"{chunk.chunk} that can be used: expected their keys, such as "
            f"{samples['image_path'].head(1).to_list()}, in metadata's column image_path"
        )
    keys = samples["image_path"]
    given_embeddings.require_same_model(chunk, keys, files, places, encoder.load())
    logger.info("%d of %d samples have an embedding", places.found.sum(), chunk.samples)
    found = pl.Series(places.found)
    without = samples.filter(~found).with_columns(reason=pl.lit(f"no embedding in {given}"))
    given_embeddings.write_given(img_emb, files, places)
    write_parquet(metadata, samples.filter(found).select(*METADATA_SCHEMA))
    write_parquet(rejected, pl.concat([unusable, without]).select(*REJECTED_SCHEMA))
