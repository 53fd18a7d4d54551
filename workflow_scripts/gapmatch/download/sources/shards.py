"""Webdataset shards that exist already; they are read in place, never copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from braceexpand import braceexpand
from pydantic import Field, field_validator
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard, write_chunk
from gapmatch.data.existing_shards import all_tars, samples_of, tars_of_chunk
from gapmatch.download.source import ChunkJob, Source, SourceSettings
from gapmatch.running.atomic import atomic_directory

if TYPE_CHECKING:
    from gapmatch.config.study import Study


class ShardsSource(SourceSettings):
    """Webdataset shards that exist already; they are read in place, never copied."""

    kind: Literal["shards"] = Field(
        "shards", description="Read existing webdataset shards in place."
    )
    shards: str = Field(
        description="Paths of the tar files in brace notation: /data/laion/{00000..41407}.tar."
    )

    @field_validator("shards")
    @classmethod
    def _no_pattern(cls, value: str) -> str:
        if set("*?[") & set(value):
            raise ValueError(
                "expected brace notation, /data/{00000..00999}.tar: what * or ? stand for may "
                "change between two runs"
            )
        return value

    def problems(self, key: str, study: Study) -> Iterator[tuple[str, object, str]]:
        """Yield that a chunk would have no shard."""
        shards, chunks = sum(1 for _ in braceexpand(self.shards)), study.pool.chunks
        if shards < chunks:
            yield "pool.chunks", chunks, f"at most the number of shards, {shards}"

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the first shard, which stands for all.

        Looking at 40,000 files on each start is slow on a cluster's file system. The rule that
        lists the shards looks at every one of its chunk.
        """
        yield "shards", Path(next(iter(braceexpand(self.shards))))


def ingest(*, source: ShardsSource, job: ChunkJob) -> None:
    """List one chunk's share of webdataset shards that exist already.

    Args:
        source: Where they are.
        job: The chunk.
    """
    tars = tars_of_chunk(all_tars(source.shards), int(job.chunk), job.chunks)
    shards = [
        Shard(tar, samples_of(tar), tar.stat().st_size)
        for tar in tqdm(tars, unit="shard", mininterval=5)
    ]
    samples = sum(shard.samples for shard in shards)
    with atomic_directory(job.out) as folder:
        write_chunk(folder, Chunk(job.dataset, job.chunk, tuple(shards), samples, ()))


SOURCE = Source(settings=ShardsSource, ingest=ingest)
