"""Asking an image classifier of a test set's classes."""

from collections import Counter
from collections.abc import Hashable, Sequence

import polars as pl
import torch

from gapmatch.data.chunks import Chunk
from gapmatch.evaluate.predictions import classes_of, predict, score_classes
from gapmatch.models.clip_models import Preprocess
from gapmatch.models.weights import autocast
from gapmatch.running.errors import InputError

IMAGENET_CLASSES = 1000
SHOWN = 5


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
            f"both the same class names, or leave {test.dataset} out of the classifier's test_sets"
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
    multilabel: bool = False,
) -> pl.DataFrame:
    """Classify the images of a test set among its own classes.

    Args:
        chunk: The test set.
        network: A classifier of timm.
        preprocess: Its preprocessing.
        outputs: By class of the test set, the outputs that mean it (``class_outputs``).
        device: Where the network is.
        workers: Processes that decode images.
        multilabel: Whether its images show several classes each.

    Returns:
        The predictions, see ``predictions.predict``, or ``predictions.score_classes``.

    Raises:
        InputError: There is no image, or one has no label.
    """

    def score(pixels: torch.Tensor) -> torch.Tensor:
        with autocast(device):
            features = network.forward_features(pixels.to(device))  # type: ignore[operator]
        # In float32, as CLIP's last product is: bfloat16 would make ties of close logits.
        logits = network.forward_head(features.float())  # type: ignore[operator]
        return class_scores(logits, outputs)

    predicted = score_classes if multilabel else predict
    return predicted(chunk, preprocess, score, workers)
