"""Zero-shot classification with prompt templates, image by image."""

from collections.abc import Callable, Sequence

import open_clip
import polars as pl
import torch

from gapmatch.data.chunks import Chunk
from gapmatch.evaluate.predictions import classes_of, predict, score_classes
from gapmatch.models.clip_models import Preprocess
from gapmatch.models.weights import autocast
from gapmatch.running.errors import InputError

TEMPLATE_SETS: dict[str, Sequence[Callable[[str], str]]] = {
    "openai": open_clip.OPENAI_IMAGENET_TEMPLATES,
    "simple": open_clip.SIMPLE_IMAGENET_TEMPLATES,
}


def choose_templates(templates: Sequence[str]) -> Sequence[str | Callable[[str], str]]:
    """Return open_clip's templates for the name of a set, else the templates themselves.

    Raises:
        InputError: A template has no place for the class name.
    """
    if len(templates) == 1 and templates[0] in TEMPLATE_SETS:
        return TEMPLATE_SETS[templates[0]]
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(
                f"evaluation.templates: {template!r} must hold {{}} once, for the class name"
            )
    return templates


@torch.no_grad()
def classify(
    chunk: Chunk,
    network: torch.nn.Module,
    preprocess: Preprocess,
    tokenizer: Callable[[list[str]], torch.Tensor],
    templates: Sequence[str | Callable[[str], str]],
    device: torch.device,
    workers: int,
    multilabel: bool = False,
) -> pl.DataFrame:
    """Classify the images of a test set among its own classes.

    The classifier's weights are open_clip's: per class the mean of the normalised embeddings of
    all prompts, normalised. Only the classes that the test set has take part.

    Args:
        chunk: The test set.
        network: A model of open_clip.
        preprocess: PIL image to (3, h, w) float32.
        tokenizer: n texts to (n, context) int64.
        templates: Prompt templates.
        device: Where the network is.
        workers: Processes that decode images; the result does not depend on it.
        multilabel: Whether its images show several classes each.

    Returns:
        The predictions, see ``predictions.predict``, or ``predictions.score_classes``.

    Raises:
        InputError: The chunk has no classes, or an image no label.
    """
    weights = open_clip.build_zero_shot_classifier(
        network, tokenizer, list(classes_of(chunk)), templates, device=device
    )

    def score(pixels: torch.Tensor) -> torch.Tensor:
        with autocast(device):
            features = network.encode_image(pixels.to(device), normalize=True)  # type: ignore[operator]
        scores: torch.Tensor = features.float() @ weights.float()
        return scores

    predicted = score_classes if multilabel else predict
    return predicted(chunk, preprocess, score, workers)
