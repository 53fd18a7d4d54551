"""Training of a classifier: it learns, is repeatable, survives a kill, and refuses bad input."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from programs import kill_when, program, run, run_here, spoil

from gapmatch.data.chunks import read_chunk
from gapmatch.models.weights import load_weights
from gapmatch.running.errors import InputError
from gapmatch.train import classifier_training
from gapmatch.train.classifier_training import (
    CHECKPOINT,
    ClassifierOptions,
    fingerprint,
    read_images,
    train,
)

pytestmark = pytest.mark.workflow

COLOURS = {
    "blue": (40, 60, 200),
    "green": (40, 180, 60),
    "red": (200, 50, 40),
    "sand": (220, 200, 90),
}
IMAGES = 12
CPU = torch.device("cpu")
SETTINGS = ClassifierOptions(
    model="test_resnet",
    image_size=32,
    epochs=2,
    batch_size=8,
    lr=4e-3,
    weight_decay=0.05,
    seed=0,
)


def painted(root: Path, names: list[str], seed: int) -> Path:
    """Make folders of images that are of one colour, with noise, and not all square."""
    rng = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(IMAGES):
            noise = rng.normal(0, 25, (40, 36 + number, 3))
            pixels = np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


def pack(root: Path, dataset: str, out: Path) -> Path:
    run_here(
        *("ingest", "imagefolder"),
        *("--root", root, "--dataset", dataset, "--chunk", "00000", "--chunks", 1),
        *("--caption", "{class}", "--samples-per-shard", 20, "--out", out),
    )
    return out


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    return pack(painted(folder / "images", list(COLOURS), 0), "reference", folder / "chunk")


def command(reference: Path, out: Path, epochs: int, seed: int = 0) -> list[str]:
    """Return the command line of a training with everything written below ``out``."""
    return program(
        "train_classifier",
        *("--classifier", "tiny", "--reference", reference, "--model", SETTINGS.model),
        *("--image-size", 32, "--epochs", epochs, "--batch-size", 8, "--lr", 4e-3),
        *("--weight-decay", 0.05, "--seed", seed, "--device", "cpu", "--workers", 0),
        *("--state", out / "state", "--weights", out / "model.pt"),
        *("--summary", out / "training.json"),
    )


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_it_learns_and_is_evaluated_by_the_names_of_classes(
    reference: Path, tmp_path: Path
) -> None:
    run(command(reference, tmp_path, epochs=8))
    assert not (tmp_path / "state").exists()
    training = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    assert (training["samples"], training["skipped"], training["classes"]) == (48, 0, 4)
    assert training["loss"] < np.log(4)

    # Labels of the test set are others than those of the reference.
    test = pack(painted(tmp_path / "images", ["red", "sand"], 1), "val", tmp_path / "val")
    run_here(
        "evaluate_classifier",
        *("--classifier", "tiny", "--model", SETTINGS.model, "--image-size", 32, "--seed", 3),
        *("--checkpoint", tmp_path / "model.pt", "--data", test, "--reference", reference),
        *("--device", "cpu", "--workers", 0, "--predictions", tmp_path / "e.parquet"),
        *("--summary", tmp_path / "e.json"),
    )
    summary = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert (summary["seed"], summary["n"], summary["classes"]) == (3, 2 * IMAGES, 2)
    assert summary["top1"] > 0.9
    assert set(pl.read_parquet(tmp_path / "e.parquet")["predicted"]) == {0, 1}


def test_killed_training_goes_on_to_the_same_weights(reference: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    epochs = 12
    run(command(reference, whole, epochs))
    kill_when((killed / "state" / CHECKPOINT).exists, command(reference, killed, epochs), tmp_path)
    assert not (killed / "model.pt").exists()
    kept = torch.load(killed / "state" / CHECKPOINT, weights_only=True)
    assert 0 < kept["epochs"] < epochs
    assert "continuing in" in run(command(reference, killed, epochs))
    assert equal(load_weights(whole / "model.pt"), load_weights(killed / "model.pt"))
    summaries = [(out / "training.json").read_bytes() for out in (whole, killed)]
    assert summaries[0] == summaries[1]


def test_finished_epochs_are_not_repeated(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = read_images([read_chunk(reference)], 32, 0)
    done: list[int] = []
    train_epoch = classifier_training._train_epoch

    def counted(*arguments: object) -> float:
        done.append(int(str(arguments[5])))
        if done == [0, 1]:
            raise KeyboardInterrupt
        return train_epoch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(classifier_training, "_train_epoch", counted)
    settings = dataclasses.replace(SETTINGS, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(images, settings, CPU, tmp_path)
    train(images, settings, CPU, tmp_path)
    assert done == [0, 1, 1, 2]


def test_weights_follow_from_the_seed(reference: Path, tmp_path: Path) -> None:
    images = read_images([read_chunk(reference)], 32, 0)
    one, same, other = (
        train(images, dataclasses.replace(SETTINGS, seed=seed), CPU, tmp_path / name)[0]
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    )
    assert equal(one, same)
    assert not equal(one, other)


def test_images_that_cannot_be_read_are_counted(reference: Path, tmp_path: Path) -> None:
    chunk = Path(shutil.copytree(reference, tmp_path / "chunk"))
    spoil(chunk / "00001.tar", 3)
    images = read_images([read_chunk(chunk)], 32, 0)
    assert images.skipped == 1
    assert images.pixels.shape == (4 * IMAGES - 1, 3, 32, 32)
    assert images.pixels.dtype == torch.uint8
    assert images.labels.bincount().tolist().count(IMAGES) == 3


def test_labels_and_pixels_are_those_of_the_files(reference: Path) -> None:
    images = read_images([read_chunk(reference)], 32, 0)
    assert images.classes == tuple(COLOURS)
    means = images.pixels.float().mean(dim=(2, 3))
    nearest = torch.cdist(means, torch.tensor(list(COLOURS.values())).float()).argmin(dim=1)
    assert torch.equal(nearest, images.labels)


def test_a_reference_of_imagenets_size_is_refused(
    reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_training, "MAX_IMAGES", 47)
    with pytest.raises(InputError, match=r"reference has 48 images, expected at most 47 .* timm"):
        read_images([read_chunk(reference)], 32, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 49}, "batch_size is 49, expected at most the number of images, 48"),
        ({"model": "vit_tiny_patch16_224"}, "images of one size only, expected a model for any"),
        ({"model": "resnet5000"}, "timm knows no model resnet5000"),
        ({"lr": 1e30}, r"the weights are no longer finite \(.*lower its lr, which is 1e\+30"),
    ],
)
def test_settings_that_cannot_train(
    reference: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    images = read_images([read_chunk(reference)], 32, 0)
    with pytest.raises(InputError, match=message):
        train(images, dataclasses.replace(SETTINGS, **change), CPU, tmp_path)  # type: ignore[arg-type]


def test_fingerprint_is_of_the_data_and_the_settings(reference: Path, tmp_path: Path) -> None:
    chunk = read_chunk(reference)
    before = fingerprint(SETTINGS, [chunk], CPU)
    moved = Path(shutil.copytree(reference, tmp_path / "moved"))
    assert fingerprint(SETTINGS, [read_chunk(moved)], CPU) == before
    assert fingerprint(dataclasses.replace(SETTINGS, lr=1e-3), [chunk], CPU) != before
    os.utime(moved / "00000.tar", (0, 0))
    assert fingerprint(SETTINGS, [read_chunk(moved)], CPU) != before
