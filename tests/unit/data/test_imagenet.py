"""ImageNet and its shifts, as they ship: which classes and images are found, and what is said."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import imagenet_miniatures as miniatures
import numpy as np
import open_clip
import pytest
from imagenet_miniatures import CLASSES, OBJECTS, SHARED, WORDNET_IDS
from PIL import Image
from programs import ROOT

from gapmatch.data.imagenet import list_imagenet
from gapmatch.data.shards import read_samples
from gapmatch.running.errors import InputError

IMAGES = 3


def found(
    variant: str, root: Path, images: int, ground_truth: Path | None = None
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return class name and ImageNet indices of each image, by its path below the root."""
    listed, classes = list_imagenet(variant, root, ground_truth, images)
    assert [one.class_name for one in listed] == [classes[one.label].name for one in listed]
    return {
        one.path.relative_to(root).as_posix(): (one.class_name, classes[one.label].indices)
        for one in listed
    }


def named(index: int) -> tuple[str, tuple[int, ...]]:
    return open_clip.IMAGENET_CLASSNAMES[index], (index,)


@pytest.mark.parametrize(("variant", "classes"), [("val", CLASSES), ("r", SHARED), ("a", SHARED)])
def test_folders_by_wordnet_id(tmp_path: Path, variant: str, classes: tuple[int, ...]) -> None:
    root = miniatures.by_wordnet_id(tmp_path / variant, classes, IMAGES, seed=0)
    assert found(variant, root, IMAGES * len(classes)) == {
        f"{WORDNET_IDS[index]}/{WORDNET_IDS[index]}_{number}.JPEG": named(index)
        for index in classes
        for number in range(IMAGES)
    }


def test_v2_is_numbered_and_not_in_alphabetical_order(tmp_path: Path) -> None:
    root = miniatures.v2(tmp_path / "v2", IMAGES)
    images = found("v2", root, IMAGES * len(CLASSES))
    assert {path.partition("/")[0]: one for path, one in images.items()} == {
        str(index): named(index) for index in CLASSES
    }
    _, classes = list_imagenet("v2", root, None, len(images))
    assert [one.indices for one in classes] == [(index,) for index in CLASSES]


def test_flat_validation_with_either_ground_truth(tmp_path: Path) -> None:
    root = tmp_path / "val"
    truth = miniatures.flat_validation(root, IMAGES)
    expected = {name: named(index) for name, index in truth.items()}
    for path in (
        miniatures.solution(tmp_path / "LOC_val_solution.csv", truth),
        miniatures.development_kit(tmp_path / "devkit", truth),
    ):
        assert found("val", root, len(truth), path) == expected


def test_objectnet_by_its_own_mappings(tmp_path: Path) -> None:
    root = miniatures.objectnet(tmp_path / "objectnet", IMAGES)
    assert found("objectnet", root, IMAGES * len(OBJECTS)) == {
        f"images/{folder}/{number}.png": (label, indices)
        for folder, (label, indices) in OBJECTS.items()
        for number in range(IMAGES)
    }


def ingest(variant: str, root: Path, images: int, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, ROOT / "workflow_scripts" / "ingest.py", "imagenet"),
            *("--variant", variant, "--root", root, "--images", str(images)),
            *("--dataset", "test", "--chunk", "00000", "--chunks", "1"),
            *("--caption", "a photo of a {class}", "--samples-per-shard", "4", "--out", out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_red_border_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    root = miniatures.objectnet(tmp_path / "objectnet", IMAGES)
    done = ingest("objectnet", root, IMAGES * len(OBJECTS), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "chunk.json").read_text(encoding="utf-8"))
    assert manifest["classes"] == [label for label, _ in OBJECTS.values()]
    assert manifest["imagenet_indices"] == [list(indices) for _, indices in OBJECTS.values()]
    seen = 0
    for tar in sorted((tmp_path / "out").glob("*.tar")):
        for _, members in read_samples(tar):
            metadata = json.loads(members["json"])
            with Image.open(root / metadata["path"]) as image:
                whole = np.array(image)
            with Image.open(io.BytesIO(members["png"])) as image:
                assert np.array_equal(np.array(image), whole[2:-2, 2:-2])
            assert members["txt"].decode() == f"a photo of a {metadata['class_name']}"
            seen += 1
    assert seen == IMAGES * len(OBJECTS)


def test_border_of_what_is_no_image(tmp_path: Path) -> None:
    root = miniatures.objectnet(tmp_path / "objectnet", IMAGES)
    (root / "images" / "alarm_clock" / "1.png").write_bytes(b"<html>404</html>")
    done = ingest("objectnet", root, IMAGES * len(OBJECTS), tmp_path / "out")
    assert done.returncode == 2
    assert "alarm_clock/1.png: a border of 2 pixels cannot be cut off" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variant", "published"),
    [("val", 50_000), ("sketch", 50_889), ("a", 7_500), ("r", 30_000), ("train", 1_281_167)],
)
def test_published_numbers_are_expected(tmp_path: Path, variant: str, published: int) -> None:
    root = miniatures.by_wordnet_id(tmp_path / variant, SHARED, IMAGES, seed=0)
    message = f"holds {IMAGES * len(SHARED)} images in {len(SHARED)} classes, expected {published}"
    with pytest.raises(InputError, match=message):
        list_imagenet(variant, root, None, None)


def test_published_numbers_of_the_others(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected 10000 of ImageNet v2; 994 of 1000 "):
        list_imagenet("v2", miniatures.v2(tmp_path / "v2", IMAGES), None, None)
    with pytest.raises(InputError, match=r"expected 18574 of ImageNet objectnet; 111 of 113"):
        list_imagenet("objectnet", miniatures.objectnet(tmp_path / "o", IMAGES), None, None)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = miniatures.by_wordnet_id(tmp_path / "r", SHARED, IMAGES, seed=0)
    expected = IMAGES * len(SHARED)
    for path in (root / WORDNET_IDS[409]).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"holds 6 images .* no image of analog clock"):
        list_imagenet("r", root, None, expected)
    (root / "lost+found").mkdir()
    with pytest.raises(InputError, match=r"folders named by WordNet id .* found lost\+found"):
        list_imagenet("r", root, None, expected)
    with pytest.raises(InputError, match="should hold ImageNet-V2's folders 0 to 999; found"):
        list_imagenet("v2", root, None, None)
    with pytest.raises(InputError, match="is no folder: expected ImageNet a in it"):
        list_imagenet("a", tmp_path / "nowhere", None, None)


def test_flat_validation_that_is_not_whole(tmp_path: Path) -> None:
    root = tmp_path / "val"
    truth = miniatures.flat_validation(root, IMAGES)
    with pytest.raises(InputError, match="found no folder: name its ground truth"):
        list_imagenet("val", root, None, None)
    path = miniatures.solution(tmp_path / "LOC_val_solution.csv", truth)
    (root / miniatures.FLAT.format(number=2)).unlink()
    with pytest.raises(InputError, match=r"lacks 1 of the 18 images .*: ILSVRC2012_val_00000002"):
        list_imagenet("val", root, path, None)
    path.write_text("<html>404</html>")
    with pytest.raises(InputError, match="is no ground truth of ImageNet's validation set"):
        list_imagenet("val", root, path, None)
    numbers = miniatures.development_kit(tmp_path / "devkit", truth)
    (numbers.parent / "meta.mat").unlink()
    with pytest.raises(InputError, match=r"with the development kit's meta.mat beside it"):
        list_imagenet("val", root, numbers, None)


def test_objectnet_that_is_not_whole(tmp_path: Path) -> None:
    root = miniatures.objectnet(tmp_path / "objectnet", IMAGES)
    shutil.rmtree(root / "images" / "toilet_paper")
    with pytest.raises(InputError, match=r"lacks 1 of the 2 folders .*images/toilet_paper"):
        list_imagenet("objectnet", root, None, None)
    mapping = root / "mappings" / "objectnet_to_imagenet_1k.json"
    mapping.write_text('{"Alarm clock": "a class that ImageNet does not have"}')
    with pytest.raises(InputError, match="do not fit each other: KeyError"):
        list_imagenet("objectnet", root, None, None)
    mapping.unlink()
    with pytest.raises(InputError, match=r"objectnet_to_imagenet_1k.json is missing: ObjectNet"):
        list_imagenet("objectnet", root, None, None)
