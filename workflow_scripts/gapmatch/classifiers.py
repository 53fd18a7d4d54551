"""Image classifiers of timm: loading them completely, and asking them of a test set's classes."""

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import get_pretrained_cfg

from gapmatch.chunks import Chunk
from gapmatch.clip_models import Preprocess
from gapmatch.errors import InputError
from gapmatch.predictions import classes_of, predict
from gapmatch.weights import autocast, load_weights

IMAGENET_CLASSES = 1000
SHOWN = 5


def load_classifier(
    model: str, device: torch.device, checkpoint: Path | None, image_size: int | None
) -> tuple[torch.nn.Module, Preprocess]:
    """Load a classifier for inference, with timm's own preprocessing.

    Args:
        model: A model name of timm.
        device: Where the model shall be.
        checkpoint: File of weights; None takes the published ones.
        image_size: Side of the model's input in pixels; None is timm's for the model.

    Returns:
        The model in evaluation mode; it takes pixels (n, 3, h, w), its ``num_classes`` is the
        number of its outputs. And its preprocessing of a PIL image to (3, h, w) float32.

    Raises:
        InputError: timm does not know the model, there are no weights, or they do not fit it.
    """
    network = from_checkpoint(model, checkpoint) if checkpoint else _published(model)
    config = resolve_model_data_config(network, {"img_size": image_size})  # type: ignore[no-untyped-call]
    return network.to(device).eval(), create_transform(**config, is_training=False)


def _published(model: str) -> torch.nn.Module:
    pretrained_config(model)
    try:
        return timm.create_model(model, pretrained=True)
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"the published weights of the classifier {model} cannot be had ({error}): expected a "
            "model that timm has weights of, and a network to fetch them; or name a file of "
            "weights, with kind: checkpoint"
        ) from error


def pretrained_config(model: str) -> Any:
    """Return what timm knows of a model without building it.

    Raises:
        InputError: It does not know the model.
    """
    try:
        config = get_pretrained_cfg(model)
    except RuntimeError as error:  # the tag of its weights
        raise InputError(f"classifier {model}: {error} See timm.list_pretrained()") from None
    if config is None:
        raise InputError(f"timm knows no model {model}: expected a name like resnet50.tv_in1k")
    return config


def from_checkpoint(model: str, checkpoint: Path) -> torch.nn.Module:
    """Build a model with as many outputs as a checkpoint has, and load all its weights.

    Raises:
        InputError: The checkpoint is no state dict or does not fit the model.
    """
    last = pretrained_config(model).classifier
    name = f"{last if isinstance(last, str) else last[0]}.weight"
    weights = load_weights(checkpoint)
    if name not in weights:
        raise InputError(
            f"{checkpoint} does not fit the model {model}: it lacks {name}, the last layer"
        )
    network: torch.nn.Module = timm.create_model(model, num_classes=len(weights[name]))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{checkpoint} does not fit the model {model}: {error}") from None
    return network


def class_outputs(outputs: int, test: Chunk, reference: Chunk) -> list[tuple[int, ...]]:
    """Return by class of a test set which of a classifier's outputs mean it.

    1,000 outputs are ImageNet's classes in their order, if the test set is one of ImageNet's. Else
    the outputs are the reference's classes in the reference's order: told by their ImageNet
    indices where both sets have them, by name where not.

    Args:
        outputs: Number of the classifier's outputs.
        test: The test set.
        reference: A chunk of the reference, for its classes.

    Raises:
        InputError: The number of outputs fits neither, or the reference lacks classes of the test
            set or has several of one name.
    """
    names = classes_of(test)
    if test.imagenet_indices and outputs == IMAGENET_CLASSES:
        return list(test.imagenet_indices)
    if outputs != len(reference.classes):
        imagenet = f"or {IMAGENET_CLASSES} (ImageNet's) " if test.imagenet_indices else ""
        raise InputError(
            f"the classifier has {outputs} outputs, expected {len(reference.classes)} (the "
            f"reference's classes) {imagenet}for the test set {test.dataset}: name a classifier "
            "for these classes"
        )
    if test.imagenet_indices and reference.imagenet_indices:
        return _matched(test.imagenet_indices, reference.imagenet_indices, test)
    return _matched([(name,) for name in names], [(name,) for name in reference.classes], test)


def _matched(
    wanted: Sequence[Sequence[Hashable]], known: Sequence[Sequence[Hashable]], test: Chunk
) -> list[tuple[int, ...]]:
    """Return for each class the outputs that share a name (or index) with it."""
    outputs_of: dict[Hashable, set[int]] = {}
    for output, names in enumerate(known):
        for name in names:
            outputs_of.setdefault(name, set()).add(output)
    found = [
        tuple(sorted(set().union(*(outputs_of.get(name, set()) for name in names))))
        for names in wanted
    ]
    missing = [name for name, of in zip(test.classes, found, strict=True) if not of]
    if missing:
        raise InputError(
            f"the reference lacks {len(missing)} of the {len(found)} classes of {test.dataset}: "
            f"{_some(missing)}. A classifier of the reference's classes cannot tell them: give "
            "both the same class names, or leave the test set out"
        )
    uses = Counter(output for of in found for output in of)
    shared = [
        name
        for name, of in zip(test.classes, found, strict=True)
        if any(uses[output] > 1 for output in of)
    ]
    if shared:
        raise InputError(
            f"{test.dataset} has several classes that are one class of the reference: "
            f"{_some(shared)}; give each class a name of its own"
        )
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def class_scores(logits: torch.Tensor, outputs: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the score of each class: the largest logit among the outputs that mean it.

    Outputs that mean none of the classes take no part.

    Args:
        logits: (n, outputs) float32.
        outputs: The outputs of each class, one at least.

    Returns:
        (n, classes) float32.
    """
    width = max(map(len, outputs))
    # A repeated output changes no maximum.
    filled = [[*of, *[of[0]] * (width - len(of))] for of in outputs]
    return logits[:, torch.tensor(filled, device=logits.device)].amax(dim=2)


@torch.no_grad()
def classify(
    chunk: Chunk,
    network: torch.nn.Module,
    preprocess: Preprocess,
    outputs: Sequence[Sequence[int]],
    device: torch.device,
    workers: int,
) -> pl.DataFrame:
    """Classify the images of a test set among its own classes.

    Args:
        chunk: The test set.
        network: A classifier of timm.
        preprocess: Its preprocessing.
        outputs: By class of the test set, the outputs that mean it (``class_outputs``).
        device: Where the network is.
        workers: Processes that decode images.

    Returns:
        The predictions, see gapmatch.predictions.predict.

    Raises:
        InputError: There is no image, or one has no label.
    """

    def score(pixels: torch.Tensor) -> torch.Tensor:
        with autocast(device):
            features = network.forward_features(pixels.to(device))  # type: ignore[operator]
        # In float32, as CLIP's last product is: bfloat16 would make ties of close logits.
        logits = network.forward_head(features.float())  # type: ignore[operator]
        return class_scores(logits, outputs)

    return predict(chunk, preprocess, score, workers)
