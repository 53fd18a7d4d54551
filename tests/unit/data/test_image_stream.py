"""Decoding a shard: the same samples whatever the workers, and a reason for each that is lost."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gapmatch.data import decoding, image_stream, shard_samples
from gapmatch.data.decoding import decode_image
from gapmatch.data.fast_decoding import OwnTransform
from gapmatch.data.image_stream import decoded_units, image_batches
from gapmatch.data.samples import Sample, Use, describe_shard
from gapmatch.data.shards import Members, write_shard
from gapmatch.running.errors import InputError


def encoded(shade: int, kind: str = "PNG", size: tuple[int, int] = (6, 5)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 0, 0)).save(buffer, kind)
    return buffer.getvalue()


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Stand in for the embedder's preprocessing; module level, so that workers can have it."""
    return torch.from_numpy(np.array(image.resize((8, 8)))).permute(2, 0, 1).float()


BROKEN: dict[str, tuple[Members, str]] = {
    "000000003": ({"png": b"no picture", "txt": b"c"}, "no image of a known format (JPEG"),
    "000000005": ({"jpg": encoded(9, "JPEG")[:-40]}, "OSError: Truncated File Read"),
    "000000006": ({"txt": b"caption alone"}, "no image: expected one of jpg"),
    "000000008": ({"png": encoded(8), "cls": b"dog"}, "its label (cls) is 'dog'"),
    "000000009": ({"png": encoded(9), "cls": b"2147483648"}, "expected the number of a class"),
    "000000010": ({"png": encoded(10), "cls": b"-1"}, "expected the number of a class"),
    "000000011": ({"png": encoded(11, "EPS")}, "no image of a known format (JPEG"),
}


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "00007.tar"
    samples: list[tuple[str, Members]] = []
    for number in range(14):
        key = f"{number:09d}"
        metadata = {"class_name": f"class {number}", "style": "line"}
        whole = {
            "png": encoded(number),
            "txt": f"caption {number}".encode(),
            "cls": str(number).encode(),
            "json": json.dumps(metadata).encode(),
        }
        samples.append((key, BROKEN[key][0] if key in BROKEN else whole))
    write_shard(path, samples)
    return path


def read(shard: Path, batch_size: int, workers: int) -> tuple[list[Sample], torch.Tensor]:
    batches = list(image_batches([shard], OwnTransform(to_tensor), batch_size, workers, Use.TEST))
    assert all(len(samples) <= batch_size for samples, _ in batches)
    for samples, pixels in batches:
        assert len(pixels) == sum(sample.reason is None for sample in samples)
    samples = [sample for found, _ in batches for sample in found]
    return samples, torch.cat([pixels for _, pixels in batches if len(pixels)])


def test_every_sample_in_order_with_its_metadata_or_a_reason(shard: Path) -> None:
    samples, pixels = read(shard, 4, 0)
    assert [sample.image_path for sample in samples] == [f"{n:09d}" for n in range(14)]
    assert {sample.shard for sample in samples} == {"00007.tar"}
    whole = [number for number in range(14) if f"{number:09d}" not in BROKEN]
    assert pixels[:, 0, 0, 0].tolist() == whole
    for sample in samples:
        if sample.image_path in BROKEN:
            assert BROKEN[sample.image_path][1] in (sample.reason or "")
        else:
            number = int(sample.image_path)
            assert sample == Sample(
                *(sample.image_path, "00007.tar", f"caption {number}", number),
                *(f"class {number}", "line", None),
            )


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (100, 0), (3, 1), (2, 2), (100, 2)])
def test_neither_workers_nor_batches_change_the_result(
    shard: Path, batch_size: int, workers: int
) -> None:
    expected, pixels = read(shard, 5, 0)
    samples, same = read(shard, batch_size, workers)
    assert samples == expected
    assert torch.equal(pixels, same)


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_follow_each_other(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also empty ones, and such as end where a unit or a batch does."""
    monkeypatch.setattr(image_stream, "UNIT", 3)
    shards, keys = [], []
    for number, samples in enumerate((6, 0, 7, 1, 12)):
        shards.append(tmp_path / f"{number}.tar")
        keys.append([f"{number}-{key}" for key in range(samples)])
        write_shard(shards[-1], [(key, {"png": encoded(len(key))}) for key in keys[-1]])
    units = [
        (unit.shard, [sample.image_path for sample in unit.samples], len(unit.pixels), unit)
        for unit in decoded_units(shards, OwnTransform(to_tensor), 6, workers, Use.TEST)
    ]
    assert [len(names) for _, names, _, _ in units] == [3, 3, 0, 3, 3, 1, 1, 3, 3, 3, 3]
    for shard, expected in enumerate(keys):
        assert [name for at, names, _, _ in units if at == shard for name in names] == expected
    assert all(len(names) == pixels for _, names, pixels, _ in units)
    ends_batch = [at for at, (*_, unit) in enumerate(units) if unit.ends_batch]
    ends_shard = [at for at, (*_, unit) in enumerate(units) if unit.ends_shard]
    assert ends_batch == [1, 2, 4, 5, 6, 8, 10]
    assert ends_shard == [1, 2, 5, 6, 10]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_comes_before_a_broken_shard_is_decoded(tmp_path: Path, workers: int) -> None:
    shards = [tmp_path / f"{number}.tar" for number in range(3)]
    for shard in shards:
        write_shard(shard, [(f"{key}", {"png": encoded(key)}) for key in range(5)])
    shards[1].write_bytes(shards[1].read_bytes()[:1600])
    found = []
    with pytest.raises(InputError, match=r"1\.tar is damaged or cut short"):
        for samples, _ in image_batches(shards, OwnTransform(to_tensor), 4, workers, Use.TEST):
            found += samples
    assert [sample.shard for sample in found[:5]] == ["0.tar"] * 5
    shards[1].unlink()
    with pytest.raises(InputError, match=r"1\.tar cannot be read"):
        list(image_batches(shards, OwnTransform(to_tensor), 4, workers, Use.TEST))


def test_a_shard_that_shrinks_while_it_is_read_is_named(tmp_path: Path) -> None:
    shard = tmp_path / "0.tar"
    write_shard(shard, [("a", {"png": encoded(1)})])
    (located,) = shard_samples.located_samples(shard)
    shard.write_bytes(shard.read_bytes()[:520])
    with shard.open("rb") as file, pytest.raises(tarfile.ReadError, match="ends in png of a"):
        shard_samples.read_located(file, located)


def test_too_large_images_are_rejected_undecoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = encoded(1, size=(300, 400))
    write_shard(tmp_path / "0.tar", [("a", {"png": large}), ("b", {"png": encoded(2)})])
    monkeypatch.setattr(decoding, "MAX_PIXELS", 119_999)
    ((samples, pixels),) = image_batches(
        [tmp_path / "0.tar"], OwnTransform(to_tensor), 3, 0, Use.TEST
    )
    assert [sample.reason for sample in samples] == ["image of 300 x 400 pixels is too large", None]
    assert len(pixels) == 1
    monkeypatch.setattr(decoding, "MAX_PIXELS", 120_000)
    assert decode_image(large).size == (300, 400)


def test_a_preprocessing_of_many_shapes_is_told(tmp_path: Path) -> None:
    """One channel would else be taken for three."""
    write_shard(tmp_path / "0.tar", [("a", {"png": encoded(1)})])

    def shrinking(image: Image.Image) -> torch.Tensor:
        return to_tensor(image)[: 3 if image.width > 100 else 1]

    with pytest.raises(
        TypeError, match=r"gives \(1, 8, 8\) of one image and \(3, 8, 8\) of another"
    ):
        list(image_batches([tmp_path / "0.tar"], OwnTransform(shrinking), 3, 0, Use.TEST))


def test_a_training_needs_a_caption_and_nothing_of_other_metadata(tmp_path: Path) -> None:
    image = {"png": encoded(1)}
    members: list[Members] = [
        {**image, "txt": b"a cat", "json": b"[]", "cls": b"dog"},
        {**image, "txt": b"a cat", "json": b"{", "cls": b"99999999999"},
        {**image, "txt": b"a cat", "json": b'{"class_name": 3, "style": "line"}', "cls": b"4"},
        {**image, "txt": b""},
        image,
        {**image, "txt": "caf\u00e9".encode("latin-1")},
        {"txt": b"a cat", "2.jpg": b"x"},
    ]
    write_shard(tmp_path / "0.tar", [(f"{key}", one) for key, one in enumerate(members)])
    trained = list(describe_shard(tmp_path / "0.tar", Use.TRAINING))
    assert [(one.label, one.style, one.class_name) for one in trained[:3]] == [
        (None, None, None),
        (None, None, None),
        (4, "line", None),
    ]
    reasons = [one.reason or "" for one in trained]
    assert reasons[:4] == [""] * 4
    assert reasons[4] == "no caption: expected a file txt beside the image"
    assert reasons[5] == "its caption is not UTF-8"
    assert "found 2.jpg, txt (the first dot of a name ends the key)" in reasons[6]
    tested = [one.reason for one in describe_shard(tmp_path / "0.tar", Use.TEST)]
    assert [bool(reason) for reason in tested] == [True, True, False, False, False, False, True]


@settings(max_examples=200)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP"]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    share=st.floats(0, 1),
)
def test_damaged_bytes_decode_or_are_a_value_error(
    kind: str, damage: list[tuple[float, int]], share: float
) -> None:
    data = bytearray(encoded(5, kind))
    for place, value in damage:
        data[int(place * (len(data) - 1))] = value
    try:
        assert decode_image(bytes(data[: int(share * len(data))])).mode == "RGB"
    except ValueError as error:
        assert str(error)


def test_elongated_images_are_rejected_undecoded() -> None:
    data = io.BytesIO()
    Image.new("RGB", (decoding.MAX_ASPECT_RATIO + 1, 1)).save(data, "PNG")
    with pytest.raises(ValueError, match="101 x 1 pixels is too elongated"):
        decoding.decode_image(data.getvalue())


def test_grey_images_of_16_bits_are_refused() -> None:
    content = io.BytesIO()
    Image.fromarray(np.full((8, 8), 30_000, dtype=np.uint16)).save(content, "PNG")
    with pytest.raises(ValueError, match="over 8 bits, which would be clipped"):
        decode_image(content.getvalue())
