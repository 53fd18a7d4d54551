"""Shards: round trip, equal bytes whatever the order, and refusal of hostile or damaged tars."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.data import shards
from gapmatch.running.errors import InputError

SAMPLES = st.dictionaries(
    st.text("0123456789", min_size=1, max_size=12),
    st.dictionaries(st.sampled_from(["jpg", "txt", "json"]), st.binary(max_size=2000), min_size=1),
    max_size=6,
)


@given(samples=SAMPLES, data=st.data())
def test_sealed_shards_read_back_and_ignore_the_order(
    tmp_path_factory: pytest.TempPathFactory,
    samples: dict[str, dict[str, bytes]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    order = data.draw(st.permutations(list(samples.items())))
    assert shards.write_shard(folder / "a.tar", order) == len(samples)
    shards.seal(folder / "a.tar", folder / "b.tar")
    shards.write_shard(folder / "c.tar", sorted(samples.items()))
    assert (folder / "b.tar").read_bytes() == (folder / "c.tar").read_bytes()
    assert dict(shards.read_samples(folder / "b.tar")) == samples


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt", "b/a.txt", "b\\a.txt", "noextension"])
def test_names_that_are_paths_are_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(InputError, match=r"expected plain files named KEY\.EXTENSION"):
        list(shards.read_samples(tmp_path / "a.tar"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_links_devices_and_folders_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("a.txt")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match="expected plain files"):
        list(shards.read_samples(tmp_path / "a.tar"))


def test_large_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards.write_shard(tmp_path / "a.tar", [("0", {"txt": b"x" * 100})])
    monkeypatch.setattr(shards, "MAX_MEMBER_BYTES", 99)
    with pytest.raises(InputError, match="has 100 bytes, at most 99"):
        list(shards.read_samples(tmp_path / "a.tar"))


def test_a_tar_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    shards.write_shard(tar, [(str(number), {"txt": b"x" * 300}) for number in range(3)])
    data = tar.read_bytes()
    end = 3 * (512 + 512) + 512  # three members and the first empty block
    for size in [*range(0, end, 37), 512, 1024, 2048, 3072, end - 1]:
        tar.write_bytes(data[:size])
        with pytest.raises(InputError, match="damaged or cut short"):
            list(shards.read_samples(tar))
    tar.write_bytes(data[:end])
    assert len(list(shards.read_samples(tar))) == 3


@pytest.mark.parametrize("member", [0, 1, 2])
def test_a_damaged_header_is_no_end(tmp_path: Path, member: int) -> None:
    tar = tmp_path / "a.tar"
    shards.write_shard(tar, [(str(number), {"txt": b"x" * 300}) for number in range(3)])
    data = bytearray(tar.read_bytes())
    data[member * 1024 + 150] ^= 0xFF  # in the header's checksum
    tar.write_bytes(data)
    with pytest.raises(InputError, match="damaged or cut short"):
        list(shards.read_samples(tar))


def test_keys_are_split_as_webdataset_does() -> None:
    assert shards.split_name("a.b/c.seg.PNG") == ("a.b/c", "seg.png")
    assert shards.split_name("000.jpg") == ("000", "jpg")
