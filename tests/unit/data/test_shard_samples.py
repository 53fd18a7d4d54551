"""What a sample of a shard is, in shards as other tools write them."""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webdataset import tariterators

from gapmatch.data import shard_samples
from gapmatch.data.shard_samples import count_samples
from gapmatch.running.errors import InputError


def write(tar: Path, members: Sequence[tuple[str, bytes]], **options: int) -> Path:
    with tarfile.open(tar, "w", **options) as archive:  # type: ignore[call-overload]
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return tar


def read(tar: Path) -> list[tuple[str, dict[str, bytes], str | None]]:
    found = [(one.key, one.members, one.reason) for one in shard_samples.shard_samples(tar)]
    assert count_samples(tar) == len(found)
    return found


@pytest.mark.parametrize(
    "ghost",
    [
        "._a.jpg",
        "x/._a.jpg",
        ".DS_Store",
        "__MACOSX/a.jpg",
        "__index__/0.txt",
        "README",
        ".a/b.jpg",
    ],
)
def test_what_is_no_file_of_a_sample_is_passed_over(tmp_path: Path, ghost: str) -> None:
    members = [("a.jpg", b"1"), (ghost, b"ghost"), ("a.txt", b"2")]
    assert read(write(tmp_path / "0.tar", members)) == [("a", {"jpg": b"1", "txt": b"2"}, None)]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_and_folders_are_no_files(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert read(tmp_path / "0.tar") == []


def test_members_in_folders_keep_them_in_their_key(tmp_path: Path) -> None:
    members = [("./x/a.jpg", b"1"), ("./x/a.txt", b"2"), ("y/a.jpg", b"3"), ("y/a.TXT", b"4")]
    assert read(write(tmp_path / "0.tar", members)) == [
        ("x/a", {"jpg": b"1", "txt": b"2"}, None),
        ("y/a", {"jpg": b"3", "txt": b"4"}, None),
    ]


def test_a_key_that_stands_twice_is_a_sample_that_cannot_be_used(tmp_path: Path) -> None:
    apart = [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.txt", b"3"), ("b.txt", b"4")]
    twice = [("a.jpg", b"1"), ("a.jpg", b"2")]
    for members in (apart, twice):
        found = read(write(tmp_path / "0.tar", members))
        firsts = [one for one in found if one[2] is None]
        assert [key for key, _, _ in firsts] == sorted({name[0] for name, _ in members})
        for _, content, reason in found:
            if reason:
                assert not content
                assert "occurs earlier in the shard" in reason
    assert len(read(write(tmp_path / "0.tar", apart))) == 4


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_samples, "MAX_MEMBER_BYTES", 99)
    tar = write(tmp_path / "0.tar", [("a.jpg", b"x" * 100), ("b.jpg", b"y")])
    (_, members, reason), other = read(tar)
    assert not members
    assert reason == "jpg of 100 bytes, at most 99 are read"
    assert other == ("b", {"jpg": b"y"}, None)


def test_a_compressed_shard_is_named_as_such(tmp_path: Path) -> None:
    tar = write(tmp_path / "0.tar", [("a.jpg", b"1")])
    tar.write_bytes(gzip.compress(tar.read_bytes()))
    with pytest.raises(InputError, match=r"0.tar is compressed \(gzip\): expected a plain tar"):
        count_samples(tar)


def test_a_member_of_negative_size_ends_the_reading(tmp_path: Path) -> None:
    """It would lead back to its own header, for ever (CVE-2025-8194)."""
    tar = write(tmp_path / "0.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("c.jpg", b"3")])
    data = bytearray(tar.read_bytes())
    header = data[1024:1536]
    header[124:136] = (256**12 - 512).to_bytes(12, "big")  # base-256, two's complement
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    data[1024:1536] = header
    tar.write_bytes(data)
    with pytest.raises(InputError, match="a member that ends before it begins"):
        count_samples(tar)


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0\.tar cannot be read \(.*No such file"):
        count_samples(tmp_path / "0.tar")


def test_a_shard_cut_short_is_an_error(tmp_path: Path) -> None:
    tar = write(tmp_path / "0.tar", [(f"{n}.txt", b"x" * 300) for n in range(3)])
    data = tar.read_bytes()
    end = 3 * (512 + 512) + 512
    for size in [*range(0, end, 37), 512, 1024, 2048, 3072, end - 1]:
        tar.write_bytes(data[:size])
        with pytest.raises(InputError, match="damaged or cut short"):
            count_samples(tar)
    tar.write_bytes(data[:end])
    assert count_samples(tar) == 3


@given(
    names=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["jpg", "txt", "json"])),
        unique=True,
        max_size=9,
    )
)
def test_samples_whose_files_lie_together_are_webdatasets(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]]
) -> None:
    members = [(f"{key}.{extension}", key.encode()) for key, extension in sorted(names)]
    tar = write(tmp_path_factory.mktemp("shards") / "0.tar", members)
    with tar.open("rb") as file:
        files = tariterators.tar_file_expander([{"url": str(tar), "stream": file}])
        expected = [
            (one.pop("__key__"), {name: data for name, data in one.items() if name[0] != "_"}, None)
            for one in tariterators.group_by_keys(files)
        ]
    assert read(tar) == expected


def test_the_documented_command_packs_a_shard_anew(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "scale.md").read_text(encoding="utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("mkdir unpacked && tar")]
    apart = [("b.jpg", b"1"), ("x/a.jpg", b"2"), ("b.txt", b"3"), ("x/a.txt", b"4")]
    tar = write(tmp_path / "00000.tar", apart)
    assert [reason is None for *_, reason in read(tar)] == [True, True, False, False]
    (tmp_path / "00000.tar.gz").write_bytes(gzip.compress(tar.read_bytes()))
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)  # noqa: S602 - our own docs
    assert sorted(read(tar)) == [
        ("b", {"jpg": b"1", "txt": b"3"}, None),
        ("x/a", {"jpg": b"2", "txt": b"4"}, None),
    ]


def test_what_comes_after_the_end_is_an_error(tmp_path: Path) -> None:
    one = write(tmp_path / "0.tar", [("a.jpg", b"1")]).read_bytes()
    (tmp_path / "1.tar").write_bytes(one + one)
    with pytest.raises(InputError, match=r"1\.tar is damaged .*more than zeros after the end"):
        read(tmp_path / "1.tar")


def test_a_name_that_is_no_utf8_is_told_escaped(tmp_path: Path) -> None:
    tar = write(tmp_path / "0.tar", [("caf\udce9.jpg", b"1"), ("b.jpg", b"2")])
    (key, members, reason), (_, _, fine) = read(tar)
    assert (key, members) == ("caf\\udce9", {})
    assert reason == "its name is not UTF-8; rename the files of the sample"
    assert fine is None


@given(
    names=st.lists(
        st.text(st.sampled_from("ab./\u00e9_0"), min_size=1, max_size=120), min_size=1, max_size=6
    ),
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 3000]), min_size=6, max_size=6),
    archive_format=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    checked=st.booleans(),
)
def test_headers_are_read_as_tarfile_reads_them(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    sizes: list[int],
    archive_format: int,
    damage: list[tuple[float, int]],
    checked: bool,
) -> None:
    """Also damaged ones whose checksum is right all the same."""
    tar = tmp_path_factory.mktemp("shards") / "0.tar"
    members = [(f"{name}.jpg", b"x" * size) for name, size in zip(names, sizes, strict=False)]
    try:
        write(tar, members, format=archive_format)
    except ValueError:  # a name too long for the format
        return
    data = bytearray(tar.read_bytes())
    for place, value in damage:
        at = int(place * (len(members) * 1024 - 1))
        data[at] = value
        header = data[at // 512 * 512 : at // 512 * 512 + 512]
        if checked and len(header) == 512:
            header[148:156] = b" " * 8
            header[148:156] = f"{sum(header):06o}\0 ".encode()
            data[at // 512 * 512 : at // 512 * 512 + 512] = header
    tar.write_bytes(data)

    def found() -> list[shard_samples.LocatedSample] | str:
        try:
            return list(shard_samples.located_samples(tar))
        except InputError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_samples, "_plain_member", lambda *_: None)
        expected = found()
    assert found() == expected


def test_a_sparse_file_is_told(tmp_path: Path) -> None:
    """What lies in the shard is not what the file holds."""
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 20)
        file.write(b"end")
    command = ["tar", "--sparse", "--format=gnu", "-cf", "0.tar", "a.jpg"]
    subprocess.run(command, cwd=tmp_path, check=True)
    ((key, members, reason),) = read(tmp_path / "0.tar")
    assert (key, members) == ("a", {})
    assert reason == "jpg is a sparse file (tar --sparse); pack the shard without --sparse"
