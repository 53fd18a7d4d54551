"""Folders of images per class, packed into shards and listed in place."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.data.imagefolder import chunk_images, image_styles, list_images
from gapmatch.data.shards import read_samples, write_shard
from gapmatch.running.errors import InputError

SCRIPTS = Path(__file__).parents[3] / "workflow_scripts"
FOLDERS = {"n01_tench": 5, "n02_great_white": 4, "n03_hen": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for shade, (name, number) in enumerate(FOLDERS.items()):
        (folder / name).mkdir(parents=True)
        for index in range(number):
            suffix = ("jpg", "png", "JPEG")[index % 3]
            Image.new("RGB", (8, 8), (shade * 40, index * 20, 0)).save(
                folder / name / f"{index}.{suffix}"
            )
        (folder / name / "notes.txt").write_text("not an image")
    return folder


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def ingest(root: Path, out: Path, chunk: str = "00000", chunks: int = 1) -> Path:
    """Pack with the program, two images to a shard."""
    done = run(
        "ingest.py",
        "imagefolder",
        *("--root", root, "--dataset", "val", "--chunk", chunk, "--chunks", chunks),
        *("--caption", "a photo of a {class}", "--samples-per-shard", 2, "--out", out),
    )
    assert done.returncode == 0, done.stderr
    return out


def test_hidden_folders_and_files_are_no_classes_and_no_images(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images, names = list_images(root, None)
    (root / ".ipynb_checkpoints").mkdir()
    shutil.copy(images[0].path, root / ".ipynb_checkpoints")
    shutil.copy(images[0].path, root / "n01_tench" / "._0.jpg")
    shutil.copy(images[0].path, root / "n01_tench" / "0.gif")
    caplog.clear()
    assert list_images(root, None) == (images, names)
    assert f"{root}: 4 files are no images (.txt: 3, .gif: 1)" in caplog.text


def test_links_that_lead_nowhere_are_named(root: Path) -> None:
    link = root / "n03_hen" / "9.jpg"
    link.symlink_to(root / "n03_hen" / "0.jpg")
    assert link in [image.path for image in list_images(root, None)[0]]
    link.unlink()
    link.symlink_to("nowhere.jpg")
    with pytest.raises(InputError, match=f"1 of 13 images are links that lead nowhere.*{link}"):
        list_images(root, None)


@pytest.mark.parametrize("name", [3, None, ["tench"], " "])
def test_class_names_are_texts(root: Path, name: object) -> None:
    names = dict.fromkeys(FOLDERS, "a fish") | {"n01_tench": name}
    (root / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    with pytest.raises(InputError, match=r"classes\.json names the class of .*'n01_tench'"):
        list_images(root, None)


def test_chunks_hold_every_image_once_unchanged(root: Path, tmp_path: Path) -> None:
    seen: dict[str, bytes] = {}
    labels = []
    for number in range(2):
        out = ingest(root, tmp_path / str(number), f"{number:05d}", 2)
        manifest = json.loads((out / "chunk.json").read_text(encoding="utf-8"))
        assert manifest["samples"] == manifest["urls"] == 6
        assert [shard["samples"] for shard in manifest["shards"]] == [2, 2, 2]
        assert manifest["classes"] == ["n01 tench", "n02 great white", "n03 hen"]
        for shard in manifest["shards"]:
            for _, members in read_samples(out / shard["path"]):
                metadata = json.loads(members["json"])
                label = int(members["cls"])
                assert metadata["label"] == label
                assert metadata["class_name"] == manifest["classes"][label]
                assert members["txt"].decode() == f"a photo of a {metadata['class_name']}"
                (image,) = (members[name] for name in ("jpg", "jpeg", "png") if name in members)
                seen[metadata["path"]] = image
                labels.append(label)
    assert seen == {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".txt"
    }
    assert labels != sorted(labels)  # shards mix classes


def test_packing_twice_gives_equal_bytes(root: Path, tmp_path: Path) -> None:
    first, second = (ingest(root, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in sorted(first.iterdir())] == [
        path.read_bytes() for path in sorted(second.iterdir())
    ]


def test_names_and_styles_that_the_folder_tells(root: Path, tmp_path: Path) -> None:
    names = dict(zip(FOLDERS, ("tench", "great white shark", "hen"), strict=True))
    (root / "classes.json").write_text(json.dumps(names))
    path = "n01_tench/0.jpg"
    pl.DataFrame({"path": [path], "class_name": ["tench"], "style": ["line"]}).write_parquet(
        root / "images.parquet"
    )
    out = ingest(root, tmp_path / "out")
    styles = {}
    for tar in sorted(out.glob("*.tar")):
        for _, members in read_samples(tar):
            metadata = json.loads(members["json"])
            styles[metadata["path"]] = metadata["style"]
            assert metadata["class_name"] in names.values()
    assert {found for found, style in styles.items() if style == "line"} == {path}


def test_what_is_wrong_with_a_folder_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder: expected one folder of images per class"):
        list_images(tmp_path / "nowhere", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="it has no folders"):
        list_images(tmp_path / "empty", None)
    (root / "n04_empty").mkdir()
    with pytest.raises(InputError, match="n04_empty hold no image"):
        list_images(root, None)
    (root / "n04_empty").rmdir()
    (root / "classes.json").write_text('{"n01_tench": "tench"}')
    with pytest.raises(InputError, match="no class name for the folder 'n02_great_white'"):
        list_images(root, None)


def test_existing_shards_are_listed_in_place(root: Path, tmp_path: Path) -> None:
    packed = ingest(root, tmp_path / "packed")
    braces = f"{packed}/{{00000..00005}}.tar"
    found = []
    for number in range(2):
        out = tmp_path / f"listed{number}"
        done = run(
            "ingest.py",
            "shards",
            *("--shards", braces, "--dataset", "pool"),
            *("--chunk", f"{number:05d}", "--chunks", 2, "--out", out),
        )
        assert done.returncode == 0, done.stderr
        manifest = json.loads((out / "chunk.json").read_text(encoding="utf-8"))
        assert manifest["samples"] == 6
        assert manifest["classes"] is None
        assert [path.name for path in out.iterdir()] == ["chunk.json"]
        found += [shard["path"] for shard in manifest["shards"]]
    assert found == [str(path) for path in sorted(packed.glob("*.tar"))]


def test_all_missing_shards_are_named_at_once(tmp_path: Path) -> None:
    done = run(
        "ingest.py",
        "shards",
        *("--shards", f"{tmp_path}/{{00000..00002}}.tar", "--dataset", "pool"),
        *("--chunk", "00000", "--chunks", 1, "--out", tmp_path / "out"),
    )
    assert done.returncode == 2
    assert all(f"0000{number}.tar" in done.stderr for number in range(3))
    assert not (tmp_path / "out").exists()


def test_shards_that_share_a_name_cannot_share_a_chunk(root: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ingest(root, tmp_path / name)
    arguments = ("--shards", f"{tmp_path}/{{a,b}}/0000{{0..5}}.tar", "--dataset", "pool")
    both = ("--chunk", "00000", "--chunks", 1, "--out", tmp_path / "both")
    done = run("ingest.py", "shards", *arguments, *both)
    assert done.returncode == 2
    assert "several shards of the name 00000.tar, 00001.tar" in done.stderr
    second = ("--chunk", "00001", "--chunks", 2, "--out", tmp_path / "second")
    assert run("ingest.py", "shards", *arguments, *second).returncode == 0


def test_counts_of_img2dataset_are_believed_and_checked(root: Path, tmp_path: Path) -> None:
    packed = ingest(root, tmp_path / "packed")
    stats = packed / "00000_stats.json"
    arguments = ("--shards", packed / "00000.tar", "--dataset", "pool")
    only = ("--chunk", "00000", "--chunks", 1, "--out", tmp_path / "out")
    stats.write_text('{"successes": 2, "count": 9}')
    assert run("ingest.py", "shards", *arguments, *only).returncode == 0
    assert json.loads((tmp_path / "out" / "chunk.json").read_text(encoding="utf-8"))["samples"] == 2
    stats.write_text('{"count": 9}')
    done = run("ingest.py", "shards", *arguments, *only)
    assert done.returncode == 2
    assert "does not say the shard's successes" in done.stderr


def test_a_shard_that_changed_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    tar = tmp_path / "00000.tar"
    write_shard(tar, [("a", {"jpg": b"1", "txt": b"2"})])
    done = run(
        "ingest.py",
        "shards",
        *("--shards", tar, "--dataset", "pool", "--chunk", "00000", "--chunks", 1),
        *("--out", tmp_path / "chunk"),
    )
    assert done.returncode == 0, done.stderr
    chunk = read_chunk(tmp_path / "chunk")
    require_unchanged(chunk)
    write_shard(tar, [("a", {"jpg": b"1" * 20_000, "txt": b"2"})])
    with pytest.raises(InputError, match=r"had 10240 when it was listed.*such as ingest_shards"):
        require_unchanged(chunk)
    tar.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        require_unchanged(chunk)


def test_fewer_images_than_chunks_are_refused(root: Path) -> None:
    images, _ = list_images(root, None)
    with pytest.raises(InputError, match=r"only 12 images for 13 chunks"):
        chunk_images(images, 0, 13)


def test_a_table_of_images_that_is_about_something_else_is_none(root: Path) -> None:
    (root / "images.parquet").write_bytes(b"no parquet")
    assert image_styles(root) == {}
    pl.DataFrame({"url": ["a"]}).write_parquet(root / "images.parquet")
    assert image_styles(root) == {}
