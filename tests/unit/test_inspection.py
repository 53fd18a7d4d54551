"""A look at data as people have it: what is told of each fault, before anything is computed."""

import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagenet_miniatures
import polars as pl
import pytest
from PIL import Image
from programs import program, run

from gapmatch.config.study import parse_study
from gapmatch.inspection.findings import Level, Look, spread
from gapmatch.inspection.page import as_html, as_text
from gapmatch.inspection.study import look_at_study
from gapmatch.shards import Members, write_shard

TEMPLATE = Path(__file__).parents[2] / "resources" / "inspection.html.j2"
CLASSES = ("fox", "great_owl")
SAMPLES = 100


def picture(shade: int, side: int = 24) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (side, side + 8), (shade % 256, 0, 0)).save(content, "JPEG")
    return content.getvalue()


def sample(number: int) -> tuple[str, Members]:
    return f"{number:05d}", {"jpg": picture(number), "txt": f"picture {number}".encode()}


def image_folder(root: Path) -> Path:
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(3):
            (root / name / f"{number}.jpg").write_bytes(picture(number))
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two shards, a reference and a test set without a fault."""
    for number in range(2):
        write_shard(tmp_path / f"0000{number}.tar", map(sample, range(SAMPLES)))
    image_folder(tmp_path / "reference")
    image_folder(tmp_path / "val")
    return tmp_path


def study(data: Path, **changes: Any) -> dict[str, Any]:
    values = {
        "study": "mine",
        "pool": {
            "source": {"kind": "shards", "shards": f"{data}/{{00000..00001}}.tar"},
            "chunks": 2,
        },
        "reference": {"source": {"kind": "imagefolder", "root": str(data / "reference")}},
        "test_sets": {"val": {"source": {"kind": "imagefolder", "root": str(data / "val")}}},
        "embedders": {"b32": {"kind": "open_clip", "model": "ViT-B-32", "pretrained": "openai"}},
        "search": {"embedder": "b32"},
    }
    return values | changes


def looks(values: dict[str, Any]) -> dict[str, Look]:
    found = look_at_study(parse_study(values, "mine.yaml"), Path("unused"))
    return {look.dataset: look for look in found}


def only(found: dict[str, Look], dataset: str, level: Level) -> str:
    """Return the one finding, which must be of a dataset and of a level."""
    (finding,) = [finding for look in found.values() for finding in look.findings]
    assert (finding.dataset, finding.level) == (dataset, level), finding
    return finding.text


def test_data_without_a_fault(data: Path) -> None:
    found = looks(study(data))
    assert not [finding for look in found.values() for finding in look.findings]
    pool = found["pool"]
    assert pool.facts["shards"] == "2 in 2 chunks"
    assert pool.facts["samples of a shard"] == f"{SAMPLES}"
    assert pool.facts["files"] == f"jpg {2 * SAMPLES}, txt {2 * SAMPLES}"
    assert (pool.looked, pool.unusable) == (128, 0)
    assert pool.facts["width x height"] == "median 24 x 32; the shorter side from 24 to 24"
    assert found["reference"].facts["images in all"] == "6"
    assert found["val"].facts["classes of the reference"] == "2 of 2"
    assert {one.caption for one in found["val"].pictures} == {"fox", "great owl"}


def rewrite(tar: Path, change: Callable[[int, Members], Members]) -> None:
    samples = map(sample, range(SAMPLES))
    write_shard(tar, [(key, change(number, members)) for number, (key, members) in
                      enumerate(samples)])  # fmt: skip


def without(extension: str, every: int) -> Callable[[int, Members], Members]:
    def change(number: int, members: Members) -> Members:
        left = {name: content for name, content in members.items() if name != extension}
        return members if number % every else left

    return change


def test_samples_without_captions_are_counted(data: Path) -> None:
    rewrite(data / "00001.tar", without("txt", every=1))
    text = only(looks(study(data)), "pool", Level.WARNING)
    assert text.startswith("64 of 128 samples cannot be used and will be rejected: no caption")
    assert "(64, such as 00001.tar: 00000)" in text


def test_a_pool_without_captions_is_an_error(data: Path) -> None:
    for name in ("00000.tar", "00001.tar"):
        rewrite(data / name, without("txt", every=1))
    text = only(looks(study(data)), "pool", Level.ERROR)
    assert text.startswith("none of 128 samples can be used: no caption: expected a file txt")


def with_text(text: bytes) -> Callable[[int, Members], Members]:
    return lambda _, members: {**members, "txt": text}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"\xff\xfe", "64 of 128 samples cannot be used"),
        (b" ", "64 of 128 captions are empty"),
    ],
)
def test_captions_that_tell_nothing(data: Path, text: bytes, told: str) -> None:
    rewrite(data / "00000.tar", with_text(text))
    assert told in only(looks(study(data)), "pool", Level.WARNING)


def test_one_caption_for_most_images(data: Path) -> None:
    rewrite(data / "00000.tar", with_text(b"a photo"))
    rewrite(data / "00001.tar", lambda n, m: {**m, "txt": b"a photo"} if n % 2 else m)
    assert "128 captions are 'a photo'" in only(looks(study(data)), "pool", Level.WARNING)


def test_a_compressed_a_damaged_and_an_empty_shard(data: Path) -> None:
    tar = data / "00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(gzip.compress(whole))
    assert "compressed (gzip)" in only(looks(study(data)), "pool", Level.ERROR)
    tar.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in only(looks(study(data)), "pool", Level.ERROR)
    write_shard(tar, [])
    assert "1 of 2 shards hold no sample" in only(looks(study(data)), "pool", Level.ERROR)


def test_shards_that_are_missing(data: Path) -> None:
    shards = {"kind": "shards", "shards": f"{data}/{{00000..00009}}.tar"}
    found = looks(study(data, pool={"source": shards, "chunks": 10}))["pool"].findings
    assert len(found) == 4
    assert found[0].text.startswith("1 of the 1 shards of chunk 00002 do not exist: ")
    assert found[-1].text.startswith("shards of 5 more chunks are missing")


def test_statistics_that_tell_another_number(data: Path) -> None:
    stats = data / "00001_stats.json"
    stats.write_text(json.dumps({"successes": SAMPLES}))
    assert not looks(study(data))["pool"].findings
    stats.write_text(json.dumps({"successes": SAMPLES + 7}))
    text = only(looks(study(data)), "pool", Level.ERROR)
    assert "holds 100 samples, its statistics (00001_stats.json) tell 107" in text


def test_members_in_folders_are_samples(data: Path) -> None:
    write_shard(data / "00000.tar", ((f"a.b/{key}", one) for key, one in map(sample, range(9))))
    assert not looks(study(data))["pool"].findings


def test_a_trained_embedder_reads_the_pool_as_it_is(data: Path) -> None:
    rewrite(data / "00001.tar", without("txt", every=50))
    trained = {"own": {"kind": "trained"}}
    found = looks(study(data, embedders=trained, search={"embedder": "own"}))["pool"].findings
    (error,) = [finding.text for finding in found if finding.level is Level.ERROR]
    assert "raise embedders.own.max_skipped" in error
    trained["own"]["max_skipped"] = "0.5"
    found = looks(study(data, embedders=trained, search={"embedder": "own"}))["pool"].findings
    assert [finding.level for finding in found] == [Level.WARNING]


def test_links(data: Path) -> None:
    links = {
        "URL": ["http://a/1.jpg", "https://a/2.jpg", "http://a/1.jpg", "file:///etc/passwd", None],
        "TEXT": ["one", None, "two", "three", "four"],
    }
    (data / "links").mkdir()
    pl.DataFrame(links).write_parquet(data / "links" / "0.parquet")
    pl.DataFrame(links | {"more": 1}).write_parquet(data / "links" / "1.parquet")
    source = {"kind": "urls", "path": str(data / "links")}
    found = looks(study(data, pool={"source": source, "chunks": 20}))["pool"]
    assert [finding.text.partition(" has no")[0] for finding in found.findings] == [
        *(str(data / "links" / f"{number}.parquet") for number in range(2)),
        "0 links are fewer than the 20 chunks of pool.chunks",
    ]
    source |= {"url_column": "URL", "caption_column": "TEXT"}
    found = looks(study(data, pool={"source": source, "chunks": 2}))["pool"]
    assert found.facts["links"] == "10 in 2 files"
    assert [finding.text for finding in found.findings] == [
        "4 of 10 links are no http or https links, and will fail",
        "6 of 10 links repeat an earlier one",
        "2 of 10 links have no caption, and are fetched with an empty one",
    ]


def test_folders_of_images(data: Path) -> None:
    (data / "val" / "fox" / "notes.md").touch()
    (data / "val" / "fox" / "3.jpg").write_bytes(b"<html>")
    found = looks(study(data))
    assert [finding.text.partition(": ")[2] for finding in found["val"].findings] == [
        "1 files are no images (.md: 1)",
        "no image of a known format (JPEG, PNG, WEBP, GIF, BMP) (1, such as fox/3.jpg)",
    ]
    shutil.rmtree(data / "reference")
    (data / "reference").mkdir()
    assert "has no folders" in looks(study(data))["reference"].findings[0].text


@pytest.mark.parametrize(
    ("names", "dataset", "told"),
    [
        (
            {"fox": "Fox", "great_owl": "great owl"},
            "val",
            "classes that the reference spells otherwise, and that count as others: 'Fox' ('fox')",
        ),
        ({"fox": "wolf", "great_owl": "owl"}, "val", "no class is one of the reference"),
        ({"fox": "fox", "great_owl": "fox"}, "val", "names of several classes (fox): zero-shot"),
    ],
)
def test_names_of_classes(data: Path, names: dict[str, str], dataset: str, told: str) -> None:
    (data / "val" / "classes.json").write_text(json.dumps(names))
    assert told in only(looks(study(data)), dataset, Level.WARNING)


def test_classes_of_imagenet_are_its_own_whatever_they_are_called(data: Path) -> None:
    imagenet_miniatures.by_wordnet_id(data / "train", imagenet_miniatures.CLASSES, 1, seed=0)
    imagenet_miniatures.objectnet(data / "objectnet", images=1)
    number = len(list((data / "objectnet").rglob("*.png")))
    kinds = {"train": len(imagenet_miniatures.CLASSES), "objectnet": number - 1}
    sources = {
        variant: {"kind": "imagenet", "variant": variant, "root": str(data / variant), "images": n}
        for variant, n in kinds.items()
    }
    found = looks(
        study(
            data,
            reference={"source": sources["train"]},
            test_sets={"val": {"source": sources["objectnet"]}},
        )
    )
    assert found["val"].facts["classes of the reference"] == "2 of 2"
    assert not found["val"].findings


def test_the_page_needs_nothing_else_and_escapes(data: Path) -> None:
    rewrite(data / "00000.tar", with_text(b"<script>\x1b[31m"))
    found = list(looks(study(data)).values())
    found[0].warning("a name with \x1b[31m")
    page = as_html("mine", found, TEMPLATE)
    assert page.count("data:image/jpeg;base64,") == 8 + 6 + 6
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert not [word for word in ("http://", "https://", 'src="/') if word in page]
    text = as_text("mine", found)
    assert "no errors, 1 warning" in text
    assert "\x1b" not in text


def test_the_program_fails_where_there_is_an_error(data: Path) -> None:
    (data / "config.json").write_text(json.dumps(study(data)))
    command = program(
        "inspect_data",
        *("--config", data / "config.json", "--rendered", data, "--template", TEMPLATE),
        *("--out", data / "page.html"),
    )
    assert "no errors, no warnings" in run(command)
    (data / "00001.tar").unlink()
    said = run(command, status=2)
    assert f"error: 1 error, no warnings in the data: {data}/page.html tells them" in said
    assert "shards of chunk 00001 do not exist" in (data / "page.html").read_text()


def test_spread_holds_both_ends() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread(range(2), 4) == [0, 1]
    assert spread([], 4) == []
