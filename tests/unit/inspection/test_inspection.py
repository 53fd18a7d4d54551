"""A look at data as people have it: what is told of each fault, before anything is computed."""

import errno
import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagenet_miniatures
import polars as pl
import pytest
from PIL import Image
from programs import program, run

from gapmatch.config.study import parse_study
from gapmatch.data.shards import Members, write_shard
from gapmatch.inspection.findings import Finding, Level, Look, spread
from gapmatch.inspection.page import as_html, as_text
from gapmatch.inspection.study import look_at_study

TEMPLATE = Path(__file__).parents[3] / "resources" / "inspection.html.j2"
CLASSES = ("fox", "great_owl")
SAMPLES = 100
ERROR = Level.ERROR
SMALL = {"model": "ViT-B-32", "batch_size": 4, "warmup": 2, "epochs": 3}


def picture(shade: int, side: int = 24) -> bytes:
    content = io.BytesIO()
    image = Image.new("RGB", (side, side + 8), (shade % 256, 0, 0))
    image.paste((0, 255, 0), (0, 0, side // 2, side // 2))
    image.save(content, "JPEG")
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
    values: dict[str, Any] = {
        "study": "mine",
        "pool": {
            "source": {"kind": "shards", "shards": f"{data}/{{00000..00001}}.tar"},
            "chunks": 2,
        },
        "reference": {"source": {"kind": "imagefolder", "root": str(data / "reference")}},
        "test_sets": {"val": {"source": {"kind": "imagefolder", "root": str(data / "val")}}},
        "embedders": {"b32": {"kind": "open_clip", "model": "ViT-B-32", "pretrained": "openai"}},
        "search": {"embedder": "b32"},
        "training": SMALL,
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
    rewrite(data / "00001.tar", without("txt", every=2))
    text = only(looks(study(data)), "pool", Level.WARNING)
    unusable = int(text.split()[0])
    assert 20 < unusable < 44
    assert text.startswith(f"{unusable} of 128 samples cannot be used and will be rejected: no cap")
    assert f"({unusable}, such as 00001.tar: 00000)" in text


@pytest.mark.parametrize(
    "change", [{"txt": None}, {"txt": "é".encode("latin-1")}, {"jpg": b"<html>"}]
)
def test_a_shard_of_which_nothing_can_be_used_is_an_error(
    data: Path, change: dict[str, bytes | None]
) -> None:
    """Its chunk may hold nothing else, which ends the study there."""

    def changed(_: int, members: Members) -> Members:
        merged = {**members, **change}
        return {name: content for name, content in merged.items() if content is not None}

    rewrite(data / "00001.tar", changed)
    error, warning = looks(study(data))["pool"].findings
    assert error.level is Level.ERROR
    assert error.text.startswith(
        "in 1 of 2 shards none of the samples looked at can be used: 00001.tar ("
    )
    assert warning.text.startswith("64 of 128 samples cannot be used")


def test_a_pool_without_captions_is_an_error(data: Path) -> None:
    for name in ("00000.tar", "00001.tar"):
        rewrite(data / name, without("txt", every=1))
    text = only(looks(study(data)), "pool", Level.ERROR)
    assert text.startswith("none of 128 samples can be used: no caption: expected a file txt")


def with_text(text: bytes) -> Callable[[int, Members], Members]:
    return lambda _, members: {**members, "txt": text}


@pytest.mark.parametrize(
    ("text", "told"),
    [(b" ", "captions are empty"), (b"a photo", "captions are 'a photo': a contr")],
)
def test_captions_that_tell_nothing(data: Path, text: bytes, told: str) -> None:
    rewrite(data / "00000.tar", lambda n, m: {**m, "txt": text} if n else m)
    rewrite(data / "00001.tar", lambda n, m: {**m, "txt": text} if n > 50 else m)
    assert told in only(looks(study(data)), "pool", Level.WARNING)
    for name in ("00000.tar", "00001.tar"):
        rewrite(data / name, with_text(text))
    assert f"128 of 128 {told}" in only(looks(study(data)), "pool", Level.ERROR)


def test_a_compressed_a_damaged_and_an_empty_shard(data: Path) -> None:
    tar = data / "00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(gzip.compress(whole))
    assert "compressed (gzip)" in only(looks(study(data)), "pool", Level.ERROR)
    tar.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in only(looks(study(data)), "pool", Level.ERROR)
    write_shard(tar, [])
    assert f"{tar} holds no sample" in only(looks(study(data)), "pool", Level.WARNING)
    tar.write_bytes(whole + whole)
    assert "more than zeros after the end" in only(looks(study(data)), "pool", Level.ERROR)
    tar.write_bytes(whole[:10_240] + bytes(10_240) + whole[20_480:])
    assert "is damaged or cut short" in only(looks(study(data)), "pool", Level.ERROR)


def test_shards_that_are_missing(data: Path) -> None:
    shards = {"kind": "shards", "shards": f"{data}/{{00000..00009}}.tar"}
    found = looks(study(data, pool={"source": shards, "chunks": 10}))["pool"].findings
    assert len(found) == 4
    assert found[0].text.startswith("1 of the 1 shards of chunk 00002 do not exist: ")
    assert found[-1].text.startswith("5 more chunks lack shards")


def test_statistics_that_tell_another_number(data: Path) -> None:
    stats = data / "00001_stats.json"
    stats.write_text(json.dumps({"successes": SAMPLES}))
    assert not looks(study(data))["pool"].findings
    stats.write_text(json.dumps({"successes": SAMPLES + 7}))
    text = only(looks(study(data)), "pool", Level.ERROR)
    assert "holds 100 samples, but its statistics (00001_stats.json) say 107" in text


def test_members_in_folders_are_samples(data: Path) -> None:
    write_shard(data / "00000.tar", ((f"a.b/{key}", one) for key, one in map(sample, range(9))))
    assert not looks(study(data))["pool"].findings


def trained(data: Path, **settings: object) -> list[Finding]:
    """Return what is told of a study whose embedder is trained."""
    own = {"own": {"kind": "trained", **SMALL, **settings}}
    found = looks(study(data, embedders=own, search={"embedder": "own"}))
    return found["trainings"].findings


def test_a_trained_embedder_reads_the_pool_as_it_is(data: Path) -> None:
    rewrite(data / "00001.tar", without("txt", every=50))
    (error,) = trained(data)
    assert error.level is Level.ERROR
    assert "or set embedders.own.max_skipped to 0.06" in error.text
    assert not trained(data, max_skipped=0.06)


def test_one_bad_sample_of_few_is_no_certain_failure(data: Path) -> None:
    rewrite(data / "00001.tar", without("txt", every=100))
    (warning,) = trained(data)
    assert warning.level is Level.WARNING
    assert "0.78% cannot (95 % interval 0.02% to 4.28%)" in warning.text


def test_trainings_that_do_not_suit_the_data(data: Path) -> None:
    found = trained(data, batch_size=100, warmup=4)
    assert [finding.level for finding in found] == [Level.WARNING]
    assert found[0].text.startswith(
        "embedders.own.warmup is 4 steps, and training on the pool (about 200 samples, batches of "
        "100, 3 epochs) has 6"
    )
    error, warning = looks(study(data, training=SMALL | {"batch_size": 8}))["trainings"].findings
    assert error.text.startswith("training.batch_size is 8, but the reference alone has 6 images")
    assert warning.text.startswith("training.warmup is 2 steps, and training on the reference")


def test_models_that_do_not_exist(data: Path) -> None:
    text = only(looks(study(data, training=SMALL | {"model": "emoji-resnet"})), "trainings", ERROR)
    assert text.startswith("training.model: open_clip knows no model 'emoji-resnet'; a model of")
    wrong = {
        "b32": {"kind": "open_clip", "model": "ViT-B-32", "pretrained": "laion"},
        "r": {"kind": "timm", "model": "resnet1010"},
    }
    tag, timm = looks(study(data, embedders=wrong))["trainings"].findings
    assert "open_clip has no weights 'laion' for ViT-B-32, only openai, " in tag.text
    assert timm.text == "embedders.r.model: timm knows no model 'resnet1010'"


def test_shards_that_are_named_twice(data: Path) -> None:
    source = {"kind": "shards", "shards": f"{data}/{{00000,00000}}.tar"}
    text = only(looks(study(data, pool={"source": source, "chunks": 2})), "pool", Level.ERROR)
    assert text.startswith("1 shards are named twice")


def test_names_that_are_no_utf8(data: Path) -> None:
    latin = "caf\udce9"  # as Python reads the byte E9
    with tarfile.open(data / "00001.tar", "w") as archive:
        for key in (latin, "fine"):
            for extension, content in sample(1)[1].items():
                header = tarfile.TarInfo(f"{key}.{extension}")
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
    (data / "val" / "fox" / f"{latin}.jpg").write_bytes(b"<html>")
    found = looks(study(data))
    assert "its name is not UTF-8; rename" in found["pool"].findings[0].text
    assert "caf\\udce9.jpg" in as_text("mine", list(found.values()))
    assert "caf\\udce9.jpg" in as_html("mine", list(found.values()), TEMPLATE)
    (data / "reference" / latin).mkdir()
    assert "names of folders are not UTF-8" in looks(study(data))["reference"].findings[0].text


def test_what_may_not_be_read_hides_nothing_else(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who may read all."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/reference")

    monkeypatch.setattr("gapmatch.download.sources.imagefolder.list_images", refused)
    (data / "00001.tar").unlink()
    found = [finding for look in looks(study(data)).values() for finding in look.findings]
    assert [finding.dataset for finding in found] == ["pool", "reference", "val"]
    assert found[1].text == "/data/reference cannot be read: Permission denied"


def test_captions_that_no_sample_looked_at_lacks_are_told_by_the_files(data: Path) -> None:
    rewrite(data / "00001.tar", lambda n, m: {"jpg": m["jpg"]} if n == 1 else m)
    text = only(looks(study(data)), "pool", Level.WARNING)
    assert text == "1 of 200 samples have no caption among their files"


def test_images_that_models_do_not_see_as_people_do(data: Path) -> None:
    for number in range(3):
        image = Image.new("RGBA", (9, 9), (0, 0, 0, 0))
        image.paste((0, 0, 0, 255), (2, 2, 5, 5))  # black on nothing, which is black
        image.save(data / "val" / "fox" / f"{number}.png")
        (data / "val" / "fox" / f"{number}.jpg").unlink()
    transparent, plain = looks(study(data))["val"].findings
    assert transparent.text.startswith("3 of 6 images are transparent in places: models see")
    assert (plain.level, plain.text) == (Level.WARNING, "3 of 6 images are of one colour")
    shutil.rmtree(data / "val" / "great_owl")
    levels = [finding.level for finding in looks(study(data))["val"].findings]
    assert levels.count(Level.ERROR) == 1


def test_more_chunks_than_images(data: Path) -> None:
    reference = {"source": {"kind": "imagefolder", "root": str(data / "reference")}, "chunks": 8}
    text = only(looks(study(data, reference=reference)), "reference", Level.ERROR)
    assert text.startswith("only 6 images for 8 chunks")


def test_a_test_set_of_one_class(data: Path) -> None:
    shutil.rmtree(data / "val" / "fox")
    assert "it has only one class" in only(looks(study(data)), "val", Level.WARNING)


CHOSEN = {"baseline": {"method": "all"}, "reference_only": {"method": "none"}}


def with_json(values: dict[str, str]) -> Callable[[int, Members], Members]:
    def change(_: int, members: Members) -> Members:
        return members | {"json": json.dumps(values).encode()}

    return change


def test_a_pool_that_tells_no_style_or_class(data: Path) -> None:
    chosen = CHOSEN | {
        "photos": {"method": "style", "shares": {"photo": 1}},
        "even": {"method": "balanced", "cap": 3},
    }
    found = looks(study(data, styles={}, subsets=chosen))["subsets"].findings
    assert {one.level for one in found} == {Level.WARNING}
    assert "styles has no examples, and none of 128 samples" in found[0].text
    assert "subsets.even needs classes, but none of 128 samples" in found[1].text
    for tar in data.glob("*.tar"):
        rewrite(tar, with_json({"style": "photo", "class_name": "fox"}))
    assert not looks(study(data, styles={}, subsets=chosen))["subsets"].findings
    for tar in data.glob("*.tar"):
        rewrite(tar, with_json({"style": "drawing", "class_name": "fox"}))
    text = only(looks(study(data, styles={}, subsets=chosen)), "subsets", Level.WARNING)
    assert text == "subsets.photos.shares: no style is called photo: found drawing"


def test_styles_that_the_examples_lack(data: Path) -> None:
    image_folder(data / "styles")
    styles = {"examples": {"kind": "imagefolder", "root": str(data / "styles")}}
    chosen = CHOSEN | {"foxes": {"method": "style", "shares": {"foxes": 1}}}
    text = only(looks(study(data, styles=styles, subsets=chosen)), "subsets", Level.ERROR)
    assert text == "subsets.foxes.shares: no style is called foxes: found fox, great owl"


def test_words_that_captions_contain(data: Path) -> None:
    words = data / "words.txt"
    chosen = CHOSEN | {"even": {"method": "balanced", "cap": 3, "words": str(words)}}
    words.write_text("picture\n7\n")
    found = looks(study(data, subsets=chosen))["subsets"]
    assert found.facts == {"captions with a concept of even": "128 of 128"}
    words.write_text("zebra\n")
    text = only(looks(study(data, subsets=chosen)), "subsets", Level.WARNING)
    assert text == (
        "subsets.even.words: none of 128 captions contains any of its 1 concepts, such as 'zebra'"
    )
    words.write_bytes(b"caf\xe9")
    assert "subsets.even.words: " in only(
        looks(study(data, subsets=chosen)), "subsets", Level.ERROR
    )


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
        "only 0 links for 20 chunks: lower pool.chunks",
    ]
    source |= {"url_column": "URL", "caption_column": "TEXT"}
    found = looks(study(data, pool={"source": source, "chunks": 2}))["pool"]
    assert found.facts["links"] == "10 in 2 files"
    assert [finding.text for finding in found.findings] == [
        "4 of 10 links are not http or https links and will fail",
        "5 of 10 links repeat an earlier one",
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
            "classes that the reference spells differently, so they do not match: 'Fox' ('fox')",
        ),
        ({"fox": "wolf", "great_owl": "owl"}, "val", "shares no class with the reference"),
        (
            {"fox": "fox", "great_owl": "fox"},
            "val",
            "several classes share a name (fox)",
        ),
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
    assert f"error: 1 error, no warnings in the data: {data}/page.html lists them" in said
    assert "shards of chunk 00001 do not exist" in (data / "page.html").read_text()


def test_spread_holds_both_ends() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread(range(2), 4) == [0, 1]
    assert spread([], 4) == []
