"""Classifiers: which outputs mean a test set's classes, restricted accuracy, weights that fit."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from untrained_models import untrained_classifier

from gapmatch.data.chunks import Chunk
from gapmatch.evaluate.classification import class_outputs, class_scores
from gapmatch.models.classifiers import load_classifier
from gapmatch.models.weights import load_weights, save_weights
from gapmatch.running.errors import InputError

MODEL = "test_resnet"
CPU = torch.device("cpu")
OBJECTNET = ((409, 530), (999,), (3, 5, 7), (0,))
"""ImageNet indices by class; some classes have several."""


def dataset(
    *classes: str, indices: tuple[tuple[int, ...], ...] = (), name: str = "sketch"
) -> Chunk:
    return Chunk(name, "00000", (), 0, classes, indices)


def plain_ranking(logits: np.ndarray, outputs: list[tuple[int, ...]]) -> list[int]:
    """Rank classes as a person would: go down the outputs, note the class of each."""
    class_of = {index: label for label, of in enumerate(outputs) for index in of}
    ranking: list[int] = []
    for index in sorted(range(len(logits)), key=lambda index: -logits[index]):
        label = class_of.get(index)
        if label is not None and label not in ranking:
            ranking.append(label)
    return ranking


@pytest.mark.parametrize("outputs", [[(4,), (0,), (7,)], list(OBJECTNET)])
def test_restricted_ranking_is_that_of_a_plain_search(outputs: list[tuple[int, ...]]) -> None:
    logits = np.random.default_rng(0).permutation(50_000).reshape(50, 1000).astype(np.float32)
    scores = class_scores(torch.from_numpy(logits), outputs)
    assert scores.shape == (50, len(outputs))
    ranked = scores.argsort(dim=1, descending=True).tolist()
    assert ranked == [plain_ranking(row, outputs) for row in logits]


def test_an_output_of_no_class_is_never_predicted() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, 8] = 100
    logits[0, 7] = 1
    assert class_scores(logits, OBJECTNET).argmax() == 2


def test_imagenet_outputs_are_its_indices() -> None:
    test = dataset("clock", "paper", "fish", "tench", indices=OBJECTNET)
    assert class_outputs(1000, test, dataset("cat", "dog", name="reference")) == list(OBJECTNET)


def test_other_outputs_are_the_references_classes_by_name() -> None:
    reference = dataset("ant", "bee", "cat", "dog", name="reference")
    assert class_outputs(4, dataset("dog", "ant"), reference) == [(3,), (0,)]


def test_classes_of_imagenet_are_told_by_index_where_the_reference_has_them() -> None:
    reference = dataset("a", "missile", "missile", "b", indices=((3,), (409,), (530,), (999,)))
    test = dataset("Alarm clock", "b", indices=((409, 530), (999,)))
    assert class_outputs(4, test, reference) == [(1, 2), (3,)]


@pytest.mark.parametrize(
    ("outputs", "test", "message"),
    [
        (3, dataset("ant", "bee"), r"has 3 outputs, expected 4 \(the reference's classes\) for "),
        (1000, dataset("ant"), r"has 1000 outputs, expected 4 .* for the test set sketch"),
        (
            999,
            dataset("ant", indices=((0,),)),
            r"has 999 outputs, expected 4 .* or 1000 \(ImageNet's\) for the test set sketch",
        ),
        (4, dataset("ant", "yak", "emu"), "lacks 2 of the 3 classes of sketch: yak, emu"),
        (4, dataset("ant", "ant", "bee"), "are one class of the reference: ant, ant; give each"),
        (4, dataset(), "sketch has no classes: a test set needs labels"),
    ],
)
def test_label_spaces_that_do_not_fit(outputs: int, test: Chunk, message: str) -> None:
    reference = dataset("ant", "bee", "cat", "dog", name="reference")
    with pytest.raises(InputError, match=message):
        class_outputs(outputs, test, reference)


def test_the_checkpoint_says_how_many_classes(tmp_path: Path) -> None:
    path = untrained_classifier(tmp_path / "seven.pt", MODEL, 7)
    network, preprocess = load_classifier(MODEL, CPU, path, None)
    assert network.num_classes == 7
    assert not network.training
    direct = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    assert repr(preprocess) == repr(direct)
    read = network.state_dict()
    assert all(torch.equal(tensor, read[name]) for name, tensor in load_weights(path).items())


def test_image_size_is_that_of_the_input(tmp_path: Path) -> None:
    path = untrained_classifier(tmp_path / "seven.pt", MODEL, 7)
    _, preprocess = load_classifier(MODEL, CPU, path, 48)
    assert "CenterCrop(size=(48, 48))" in repr(preprocess)


@pytest.mark.parametrize(
    ("removed", "message"),
    [("fc.weight", "it lacks fc.weight, the last layer"), ("conv1.0.weight", "Missing key")],
)
def test_checkpoint_that_does_not_fit(tmp_path: Path, removed: str, message: str) -> None:
    weights = load_weights(untrained_classifier(tmp_path / "whole.pt", MODEL, 7))
    weights.pop(removed)
    save_weights(tmp_path / "part.pt", weights)
    with pytest.raises(
        InputError, match=rf"part\.pt does not fit the model {MODEL}: [\s\S]*{message}"
    ):
        load_classifier(MODEL, CPU, tmp_path / "part.pt", None)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet5000", "timm knows no model resnet5000: expected a name like"),
        ("resnet50.mine", r"resnet50\.mine: Invalid pretrained tag"),
        # A model without published weights asks for no network.
        ("darknet17", "published weights of the classifier darknet17 cannot be had"),
    ],
)
def test_models_that_timm_cannot_give(model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_classifier(model, CPU, None, None)
