"""Embed the images of one chunk with a model; continues at the last finished shard."""

import functools
from pathlib import Path

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.data.samples import Use
from gapmatch.embed import embedding
from gapmatch.embed.encoder_settings import EncoderSettings
from gapmatch.running.command_line import run
from gapmatch.running.resumption import claim_state, delete_state


def embed_chunk(
    *,
    data: Path,
    use: Use,
    encoder: EncoderSettings,
    batch_size: int = 256,
    workers: int = 1,
    state: Path,
    img_emb: Path,
    metadata: Path,
    rejected: Path,
) -> None:
    """Embed the images of one chunk with a model; continues at the last finished shard.

    Args:
        data: Folder of the chunk's shards.
        use: What for: a training needs captions, a test labels.
        encoder: The model.
        batch_size: Images per batch.
        workers: Processes that decode images.
        state: Folder of finished shards; survives a kill.
        img_emb: Output: embeddings (.npy).
        metadata: Output: metadata (.parquet).
        rejected: Output: rejected samples (.parquet).
    """
    chunk = read_chunk(data)
    require_unchanged(chunk)
    model = encoder.load()
    claim_state(state, embedding.fingerprint(chunk, model))
    embed = functools.partial(
        embedding.embed_shards, encoder=model, batch_size=batch_size, workers=workers, use=use
    )
    shards = embedding.embed_chunk(
        chunk, lambda todo, progress: embed(todo, progress=progress), state
    )
    embedding.join_shards(chunk, shards, img_emb, metadata, rejected)
    delete_state(state)


if __name__ == "__main__":
    run(embed_chunk)
