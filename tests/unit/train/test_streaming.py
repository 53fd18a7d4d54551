"""A subset of a pool as a stream: exactly the kept samples, in order, or an error."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest

from gapmatch.data import shard_samples
from gapmatch.data.chunks import Chunk, Shard
from gapmatch.data.shards import Members, write_shard
from gapmatch.running.errors import InputError
from gapmatch.train.streaming import (
    ShardList,
    TrainingShard,
    kept_samples,
    kept_shards,
    read_shard_list,
    write_shard_list,
)

KEPT = ["000000002", "000000003", "000000011"]


def content(number: int, size: int = 50) -> Members:
    """Bytes that differ from sample to sample and do not compress."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return {"jpg": seed * (size // 32 + 1), "json": b"{}", "txt": str(number).encode()}


def write_kept(path: Path, keys: list[str], shard: str = "00000.tar") -> Path:
    # Shuffled, and with the same keys in another shard: neither may matter.
    rows = [(shard, key) for key in reversed(keys)] + [("00001.tar", "000000005")]
    pl.DataFrame(rows, schema=["shard", "image_path"], orient="row").write_parquet(path)
    return path


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "00000.tar"
    write_shard(path, ((f"{number:09d}", content(number)) for number in range(12)))
    return path


def read(shard: TrainingShard) -> list[tuple[str, Members]]:
    return [(sample.key, sample.members) for sample in kept_samples(shard)]


def test_kept_samples_come_in_the_order_of_the_shard(shard: Path, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept.parquet", KEPT)
    assert read(TrainingShard(shard, 12, None)) == [(f"{n:09d}", content(n)) for n in range(12)]
    assert read(TrainingShard(shard, len(KEPT), kept)) == [(key, content(int(key))) for key in KEPT]


def test_what_is_not_kept_is_not_read(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = write_kept(tmp_path / "kept.parquet", KEPT)
    read_keys = []
    read_located = shard_samples.read_located

    def watched(file: BinaryIO, sample: shard_samples.LocatedSample) -> shard_samples.ShardSample:
        read_keys.append(sample.key)
        return read_located(file, sample)

    monkeypatch.setattr(shard_samples, "read_located", watched)
    read(TrainingShard(shard, len(KEPT), kept))
    assert read_keys == KEPT


def test_a_kept_sample_that_is_not_there_is_an_error(shard: Path, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept.parquet", [*KEPT, "000000099"])
    with pytest.raises(InputError, match=r"lacks 1 of the 4 samples .* among them 000000099"):
        read(TrainingShard(shard, 4, kept))


def test_names_of_subset_files_are_no_patterns(shard: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[a]*?"
    folder.mkdir()
    kept = write_kept(folder / "kept.parquet", KEPT)
    assert len(read(TrainingShard(shard, len(KEPT), kept))) == len(KEPT)
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(InputError, match=r"kept\.parquet cannot be read"):
        read(TrainingShard(shard, len(KEPT), kept))


def test_a_sample_too_many_is_an_error(shard: Path) -> None:
    with pytest.raises(InputError, match="holds 12 samples instead of 11"):
        read(TrainingShard(shard, 11, None))


def test_of_a_key_that_stands_twice_the_first_is_trained_on(tmp_path: Path) -> None:
    samples = [(key, content(n)) for n, key in enumerate(["a", "b", "a"])]
    write_shard(tmp_path / "00000.tar", samples)
    kept = write_kept(tmp_path / "kept.parquet", ["a", "b"])
    assert read(TrainingShard(tmp_path / "00000.tar", 2, kept)) == samples[:2]


def test_a_shard_cut_short_is_an_error(shard: Path, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept.parquet", KEPT)
    data = shard.read_bytes()
    for cut in range(0, 12 * 3072 + 2, 1021):
        shard.write_bytes(data[:cut])
        with pytest.raises(InputError, match=f"{shard} is damaged or cut short"):
            read(TrainingShard(shard, len(KEPT), kept))


def test_a_chunk_gives_the_shards_of_which_something_is_kept(tmp_path: Path) -> None:
    names = ["00000.tar", "00001.tar", "00002.tar"]
    shards = tuple(Shard(tmp_path / name, 12) for name in names)
    chunk = Chunk("pool", "00000", shards, 36, ())
    assert kept_shards(chunk, None) == [TrainingShard(one.path, 12, None) for one in shards]
    kept = write_kept(tmp_path / "kept.parquet", KEPT, "00002.tar")
    found = kept_shards(chunk, kept)
    assert found == [
        TrainingShard(tmp_path / names[1], 1, kept),
        TrainingShard(tmp_path / names[2], 3, kept),
    ]
    manifest = ShardList(found, 5)
    write_shard_list(tmp_path / "manifest.json", manifest)
    assert read_shard_list(tmp_path / "manifest.json") == manifest
    with pytest.raises(InputError, match=r"chunk 00000 does not have: \['other.tar'\]"):
        kept_shards(chunk, write_kept(tmp_path / "kept.parquet", KEPT, "other.tar"))
