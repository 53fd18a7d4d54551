"""A subset of a pool as a stream: exactly the kept samples, in order, or an error."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest

from gapmatch.chunks import Chunk, Shard
from gapmatch.errors import InputError
from gapmatch.shards import Members, read_samples, write_shard
from gapmatch.streaming import TrainingShard, kept_shards, read_manifest, stream, write_manifest

PROGRAM = Path(__file__).parents[2] / "workflow_scripts" / "stream_shard.py"
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


def run(manifest: Path, number: int = 0) -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, str(PROGRAM), "--manifest", str(manifest), "--shard", str(number)]
    return subprocess.run(arguments, capture_output=True, check=False)


def read(data: bytes, folder: Path) -> list[tuple[str, Members]]:
    path = folder / "streamed.tar"
    path.write_bytes(data)
    return list(read_samples(path))


def test_the_program_writes_the_kept_samples_in_the_order_of_the_shard(
    shard: Path, tmp_path: Path
) -> None:
    kept = write_kept(tmp_path / "kept.parquet", KEPT)
    manifest = tmp_path / "manifest.json"
    write_manifest(
        manifest, [TrainingShard(shard, 12, None), TrainingShard(shard, len(KEPT), kept)]
    )
    everything, subset, beyond = (run(manifest, number) for number in range(3))
    assert everything.stdout == shard.read_bytes()
    assert (everything.returncode, subset.returncode) == (0, 0), subset.stderr
    assert read(subset.stdout, tmp_path) == [(key, content(int(key))) for key in KEPT]
    assert beyond.returncode == 2
    assert b"--shard is 2" in beyond.stderr
    assert b"lists 2 shards" in beyond.stderr


def test_a_kept_sample_that_is_not_there_is_an_error(shard: Path, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept.parquet", [*KEPT, "000000099"])
    manifest = tmp_path / "manifest.json"
    write_manifest(manifest, [TrainingShard(shard, 4, kept)])
    done = run(manifest)
    assert done.returncode == 2
    assert b"lacks 1 of the 4 samples" in done.stderr
    assert b"among them 000000099" in done.stderr


def test_a_shard_cut_short_is_an_error(shard: Path, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept.parquet", KEPT)
    data = shard.read_bytes()
    for cut in range(512, 11 * 3072 + 2, 1021):  # before the last kept sample's picture ends
        shard.write_bytes(data[:cut])
        with pytest.raises((InputError, tarfile.TarError)):
            stream(TrainingShard(shard, len(KEPT), kept), io.BytesIO())


@pytest.mark.parametrize("filtered", [False, True])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, filtered: bool) -> None:
    shard = tmp_path / "00000.tar"
    write_shard(shard, ((f"{number:09d}", content(number, 1 << 20)) for number in range(12)))
    kept = write_kept(tmp_path / "kept.parquet", KEPT) if filtered else None
    write_manifest(tmp_path / "manifest.json", [TrainingShard(shard, 3, kept)])
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--manifest", tmp_path / "manifest.json", "--shard", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    os.read(process.stdout.fileno(), 1000)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert errors == b""


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
    write_manifest(tmp_path / "manifest.json", found)
    assert read_manifest(tmp_path / "manifest.json") == found
    with pytest.raises(InputError, match=r"chunk 00000 does not have: \['other.tar'\]"):
        kept_shards(chunk, write_kept(tmp_path / "kept.parquet", KEPT, "other.tar"))
