"""The emoji source: artwork, classes, compositions, captions, folders and the crawl."""

import hashlib
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from programs import emoji_list, program

from gapmatch.data.labelled_shards import list_shards
from gapmatch.data.shards import read_samples
from gapmatch.download.sources.clip_benchmark import ClipBenchmarkSource, find_shards
from gapmatch.emoji import folders, shared_layout
from gapmatch.emoji.artwork import STYLES, Emoji, list_emoji, rasterise, without_paint
from gapmatch.emoji.captions import caption
from gapmatch.emoji.classes import ClassChoice, choose_classes, generator
from gapmatch.emoji.composition import BACKGROUNDS, Variation, background, compose
from gapmatch.emoji.crawl import HOST, CrawlSettings, write_crawl
from gapmatch.running.errors import InputError

DOG, CAT, BANANA = Emoji(0x1F415, "dog"), Emoji(0x1F408, "cat"), Emoji(0x1F34C, "banana")
MADE_UP = tuple(Emoji(code, f"class {code}") for code in range(60))
SETTINGS = CrawlSettings(
    seed=3, size=32, variants=4, chunks=3, duplicates=0.3, near_duplicates=0.3, faults=0.5
)


def files(root: Path) -> dict[str, str]:
    """Hash every file below ``root``."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_thousand_emoji_with_distinct_names() -> None:
    emoji = list_emoji()
    assert len(emoji) > 1000
    assert len({one.name for one in emoji}) == len({one.code for one in emoji}) == len(emoji)
    assert DOG in emoji
    assert not any("_" in one.name or ":" in one.name for one in emoji)


def saturation(code: int, style: str) -> float:
    """Mean difference of the largest and smallest channel where there is ink."""
    pixels = np.asarray(rasterise(code, style, 64)).astype(int)
    inked = pixels[pixels[..., 3] > 200][:, :3]
    return float((inked.max(axis=1) - inked.min(axis=1)).mean())


@pytest.mark.parametrize("emoji", [DOG, CAT, BANANA])
def test_line_drawings_are_thin_and_black(emoji: Emoji) -> None:
    assert saturation(emoji.code, "line") < 5 < 40 < saturation(emoji.code, "colour")
    line, colour = (
        np.asarray(rasterise(emoji.code, style, 64).getchannel("A")) > 127
        for style in ("line", "colour")
    )
    assert line.mean() < 0.7 * colour.mean()


def test_removing_paint_keeps_lines_only() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><g id="color"><a/></g><g id="line"><b/></g></svg>'
    )
    assert "color" not in without_paint(svg)
    assert "line" in without_paint(svg)


@pytest.mark.parametrize("style", STYLES)
def test_artwork_fills_its_square(style: str) -> None:
    left, top, right, bottom = rasterise(CAT.code, style, 64).getchannel("A").getbbox() or (0,) * 4
    assert max(right - left, bottom - top) >= 62


@given(
    seed=st.integers(0, 2**31),
    pool=st.integers(2, 50),
    test=st.integers(1, 25),
    drawing=st.integers(0, 25),
)
def test_choice_is_disjoint_nested_and_of_the_size_asked(
    seed: int, pool: int, test: int, drawing: int
) -> None:
    if test + drawing > pool:
        with pytest.raises(InputError, match="disjoint parts"):
            choose_classes(MADE_UP, seed, pool, test, drawing)
        return
    choice = choose_classes(MADE_UP, seed, pool, test, drawing)
    chosen, tests, drawings = map(set, (choice.pool, choice.test, choice.drawing))
    assert (len(chosen), len(tests), len(drawings)) == (pool, test, drawing)
    assert tests | drawings <= chosen
    assert not tests & drawings
    larger = choose_classes(MADE_UP, seed, pool + 5, test, drawing)
    assert chosen < set(larger.pool)
    assert larger.test == choice.test


def test_too_many_classes_are_refused() -> None:
    with pytest.raises(InputError, match=r"emoji.pool_classes is 61, but there are 60"):
        choose_classes(MADE_UP, 0, 61, 1, 1)


@given(seed=st.integers(0, 2**31), style=st.sampled_from(STYLES))
def test_captions_hold_the_class_name(seed: int, style: str) -> None:
    assert "dog" in caption("dog", style, np.random.default_rng(seed))


def test_few_captions_tell_the_style() -> None:
    rng = np.random.default_rng(0)
    captions = [caption("dog", "line", rng) for _ in range(1000)]
    telling = [text for text in captions if any(word in text for word in ("line", "drawing"))]
    assert 30 < len(telling) < 250


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_backgrounds_stay_in_their_range(kind: str) -> None:
    image = background(
        generator(1, kind), Variation(brightness=(190, 255), backgrounds=(kind,)), 32
    )
    assert image.size == (32, 32)
    assert np.asarray(image).min() >= 180  # bicubic noise may undershoot a little


def test_a_composition_depends_on_its_generator_alone() -> None:
    artwork = rasterise(DOG.code, "twemoji", 64)
    other = rasterise(CAT.code, "twemoji", 64)
    variation = folders.TEST_PARTS["clutter"][1]
    images = [
        compose(artwork, [other], generator(seed, "x"), variation, 32).tobytes()
        for seed in (0, 0, 1)
    ]
    assert images[0] == images[1] != images[2]


def test_parts_are_labelled_and_share_no_image(tmp_path: Path) -> None:
    choice = choose_classes(MADE_UP, 0, 3, 1, 1)
    choice = type(choice)(pool=(DOG, CAT, BANANA), test=(DOG, CAT), drawing=(BANANA,))
    contents: list[str] = []
    for part in ("reference", *folders.TEST_PARTS):
        if part == "reference":
            requests = folders.reference_requests(choice, 0, 32, 3, 2)
        else:
            requests = folders.test_set_requests(part, choice, 0, 32, 3)
        folders.write_folders(requests, tmp_path / part, workers=1)
        table = pl.read_parquet(tmp_path / part / "images.parquet")
        hashes = files(tmp_path / part)
        contents += [hashes[path] for path in table["path"]]
        names = json.loads((tmp_path / part / "classes.json").read_text(encoding="utf-8"))
        assert [names[path.split("/")[0]] for path in table["path"]] == table[
            "class_name"
        ].to_list()
        assert len(table) == (3 * 2 + 2 * 2 if part == "reference" else 6)
    assert len(set(contents)) == len(contents)
    drawn = pl.read_parquet(tmp_path / "reference/images.parquet").filter(
        pl.col("style") != "twemoji"
    )
    assert drawn["class_name"].unique().to_list() == ["banana"]


def test_the_crawl_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    urls = [
        write_crawl((DOG, CAT), SETTINGS, tmp_path / str(workers), workers) for workers in (1, 2)
    ]
    assert urls[0] == urls[1]
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_crawl_has_copies_and_faults_and_no_change_of_a_class_by_another(tmp_path: Path) -> None:
    total = write_crawl((DOG, CAT), SETTINGS, tmp_path / "two", 1)
    write_crawl((DOG, CAT, BANANA), SETTINGS, tmp_path / "three", 1)
    before, after = (files(tmp_path / name / "site" / "pool") for name in ("two", "three"))
    oversized = SETTINGS.chunks  # their class is drawn from all classes
    assert len(before.items() - after.items()) <= oversized
    assert len(after) > len(before)

    lists = [pl.read_parquet(path) for path in sorted((tmp_path / "two").glob("urls_*.parquet"))]
    assert len(lists) == SETTINGS.chunks
    links = pl.concat(lists)
    assert len(links) == links["url"].n_unique() == total
    assert len(set(before.values())) < len(before)  # exact copies under other links
    faults = json.loads((tmp_path / "two" / "faults.json").read_text(encoding="utf-8"))
    listed = {url.removeprefix(f"{HOST}/") for url in links["url"]}
    assert set(faults) <= listed
    for path, fault in faults.items():
        file = tmp_path / "two" / "site" / path
        assert file.exists() == (fault not in {"dead", "redirect"})
    for path in listed - set(faults):
        Image.open(io.BytesIO((tmp_path / "two" / "site" / path).read_bytes())).load()


def render(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program("render_emoji", "--emoji", emoji_list(), *arguments),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_renders_the_classes_it_is_asked_for(tmp_path: Path) -> None:
    classes = ("--pool-classes", 6, "--test-classes", 3, "--drawing-classes", 2)
    common = ("--seed", 1, "--size", 32, *classes, "--variants", 2)
    parts = {"sketch": ("--workers", 2), "reference": ("--drawing-variants", 1)}
    for part, options in parts.items():
        done = render("--part", part, "--out", tmp_path / part, *common, *options)
        assert done.returncode == 0, done.stderr
    sketch, reference = (pl.read_parquet(tmp_path / part / "images.parquet") for part in parts)
    assert sketch.group_by("class_name", "style").len()["len"].to_list() == [2] * 3
    assert sketch["style"].unique().to_list() == ["line"]
    counts = dict(reference.group_by("style").len().iter_rows())
    assert counts == {"twemoji": 3 * 2, "colour": 2, "line": 2}
    photos = reference.filter(pl.col("style") == "twemoji")
    assert set(photos["class_name"]) == set(sketch["class_name"])
    for path in sketch["path"]:
        grey = np.asarray(Image.open(tmp_path / "sketch" / path).convert("L"))
        assert np.median(grey) > 160  # mostly paper,
        assert 0.01 < (grey < 128).mean() < 0.5  # some ink


def test_the_program_says_what_cannot_be_rendered(tmp_path: Path) -> None:
    common = ("--seed", 0, "--size", 32, "--variants", 1, "--out", tmp_path / "out")
    few = ("--pool-classes", 3, "--test-classes", 2, "--drawing-classes", 2)
    done = render("--part", "val", *common, *few)
    assert done.returncode == 2
    assert "disjoint parts of emoji.pool_classes (3)" in done.stderr
    done = render("--part", "pool", *common, *few, "--chunks", 1)
    assert done.returncode == 2
    assert "--part pool needs --duplicates, --near-duplicates, --faults" in done.stderr
    assert not (tmp_path / "out").exists()


def test_styles_differ_and_classes_added_change_no_image_of_a_plain_part(tmp_path: Path) -> None:
    few = ClassChoice(pool=(DOG, CAT), test=(CAT, DOG), drawing=())
    more = ClassChoice(pool=(DOG, CAT, BANANA), test=(BANANA, CAT, DOG), drawing=())
    for part, (_, variation) in folders.TEST_PARTS.items():
        found = []
        for name, choice in (("few", few), ("more", more)):
            requests = folders.test_set_requests(part, choice, 0, 32, 2)
            folders.write_folders(requests, tmp_path / name / part, 1)
            hashes = files(tmp_path / name / part)
            found.append({path: hashes[path] for path in hashes if path.endswith(".jpg")})
        # Clutter is taken from the other test classes, so there an added class may show.
        assert set(found[0]) < set(found[1])
        assert (found[0].items() <= found[1].items()) == (variation.clutter[1] == 0)


def test_parts_in_the_shared_layout_are_what_its_reader_expects(tmp_path: Path) -> None:
    choice = ClassChoice(pool=(DOG, CAT, BANANA), test=(DOG, CAT), drawing=())
    for part in ("other", "captioned"):
        (tmp_path / part).mkdir()
    other = shared_layout.other_requests(choice, 0, 32, 3)
    shared_layout.write_labelled(other, tmp_path / "other")
    found = find_shards(ClipBenchmarkSource(root=tmp_path / "other"))
    assert found.classes == (BANANA.name,)
    assert found.templates == tuple(one.replace("{c}", "{}") for one in shared_layout.TEMPLATES)
    _, samples = list_shards(found)
    assert [sample.labels for sample in samples] == [(0,), (0,), (0,)]
    captioned = shared_layout.captioned_requests(choice, 0, 32)
    shared_layout.write_captioned(captioned, tmp_path / "captioned")
    found = find_shards(ClipBenchmarkSource(root=tmp_path / "captioned", task="retrieval"))
    _, samples = list_shards(found)
    assert len(samples) == 2 * len(STYLES)
    told = [members["txt"].decode().split("\n") for _, members in read_samples(found.tars[0])]
    assert all(
        request.emoji.name in line
        for request, lines in zip(captioned, told, strict=True)
        for line in lines
    )
    assert len({line for lines in told for line in lines}) == sum(map(len, told))
    images = [members["jpg"] for _, members in read_samples(found.tars[0])]
    assert len(set(images)) == len(images)
