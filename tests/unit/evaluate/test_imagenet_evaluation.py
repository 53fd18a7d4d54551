"""Evaluation on ImageNet and its shifts as they ship, against direct computations, to the image.

Nothing of the direct computations is the workflow's: open_clip or timm with a plain loop over the
original files, and labels from how the miniatures were made.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import imagenet_miniatures as miniatures
import numpy as np
import polars as pl
import pytest
import timm
import torch
from direct_evaluation import clip_scores, originals
from imagenet_miniatures import LAYOUTS, OBJECTS, Miniature
from PIL import Image
from programs import MODEL, run_here
from untrained_models import untrained_classifier, untrained_clip

from gapmatch.data.chunks import Chunk, write_chunk

IMAGES = 8
TEMPLATES = ["a photo of a {}", "a drawing of a {}"]
CLASSIFIER = "test_resnet"
CLOSE = 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imagenet")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return untrained_clip(folder / "clip.pt")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Path:
    return untrained_classifier(folder / "classifier.pt", CLASSIFIER, 1000)


@pytest.fixture(scope="module", params=LAYOUTS)
def packed(request: pytest.FixtureRequest, folder: Path) -> tuple[Miniature, Path]:
    """A miniature, and the chunk that the workflow makes of it."""
    made = miniatures.miniature(request.param, folder / request.param, IMAGES)
    truth = ["--ground-truth", made.ground_truth] if made.ground_truth else []
    out = folder / request.param / "chunk"
    run_here(
        *("ingest", "imagenet"),
        *("--variant", made.variant, "--root", made.root, "--images", len(made.images), *truth),
        *("--dataset", request.param, "--chunk", "00000", "--chunks", 1, "--out", out),
        *("--caption", "{class}", "--samples-per-shard", 5),
    )
    return made, out


def compare(made: Miniature, chunk: Path, stem: Path, ranked: Mapping[str, list[int]]) -> None:
    """Compare the workflow's predictions with labels ranked by a direct computation."""
    predictions = pl.read_parquet(stem.with_suffix(".parquet"))
    summary = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    paths = list(originals(chunk).values())
    assert sorted(paths) == sorted(made.images)
    assert len(predictions) == len(paths)
    for path, row in zip(paths, predictions.iter_rows(named=True), strict=True):
        assert row["label"] == made.images[path]
        assert row["predicted"] == ranked[path][0]
        assert row["correct_top1"] == (ranked[path][0] == made.images[path])
        assert row["correct_top5"] == (made.images[path] in ranked[path][:5])
    assert summary["n"] == len(made.images)
    assert summary["top1"] == predictions["correct_top1"].mean()
    assert predictions["predicted"].n_unique() > 1


def rank(scores: np.ndarray, classes: Callable[[int], int | None]) -> list[int]:
    """Return labels by falling score, each where it first occurs, of scores that differ."""
    order = [int(index) for index in np.argsort(-scores) if classes(int(index)) is not None]
    assert np.diff(-scores[order]).min() > CLOSE, "too close to compare"
    found = (classes(index) for index in order)
    return list(dict.fromkeys(label for label in found if label is not None))


def test_clip_is_as_open_clip_alone(
    packed: tuple[Miniature, Path], clip: Path, tmp_path: Path
) -> None:
    made, chunk = packed
    run_here(
        "evaluate_zero_shot",
        *("--training-set", "untrained", "--seed", 0, "--model", MODEL, "--checkpoint", clip),
        *("--data", chunk, "--templates", *TEMPLATES, "--device", "cpu", "--workers", 0),
        *("--predictions", tmp_path / "e.parquet", "--summary", tmp_path / "e.json"),
    )
    scores = clip_scores(clip, made, TEMPLATES)
    ranked = {path: rank(100 * scores[path], lambda index: index) for path in made.images}
    compare(made, chunk, tmp_path / "e", ranked)


def made_reference(folder: Path, *names: str) -> Path:
    """Make a chunk that has classes and no image."""
    folder.mkdir()
    write_chunk(folder, Chunk("reference", "00000", (), 0, names))
    return folder


@torch.no_grad()
def test_classifier_is_as_timm_alone(
    packed: tuple[Miniature, Path], classifier: Path, tmp_path: Path
) -> None:
    made, chunk = packed
    run_here(
        "evaluate_classifier",
        *("--classifier", "tiny", "--model", CLASSIFIER, "--checkpoint", classifier),
        *("--data", chunk, "--reference", made_reference(tmp_path / "reference", "cat")),
        *("--device", "cpu", "--workers", 0),
        *("--predictions", tmp_path / "e.parquet", "--summary", tmp_path / "e.json"),
    )
    network = timm.create_model(CLASSIFIER)
    network.load_state_dict(torch.load(classifier, weights_only=True))
    network.eval()
    config = timm.data.resolve_model_data_config(network)
    preprocess: Callable[[Image.Image], torch.Tensor] = timm.data.create_transform(**config)
    label_of = {
        index: label for label, (_, indices) in enumerate(made.classes) for index in indices
    }
    ranked = {}
    for path in made.images:
        scores = network(preprocess(made.picture(path))[None])[0].numpy()
        ranked[path] = rank(scores, label_of.get)
    compare(made, chunk, tmp_path / "e", ranked)
    summary = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert summary["kind"] == "classifier"
    assert (summary["training_set"], summary["seed"], summary["outputs"]) == ("tiny", 0, 1000)


def test_objectnet_has_a_class_of_several_indices() -> None:
    assert max(len(indices) for _, indices in OBJECTS.values()) > 1
