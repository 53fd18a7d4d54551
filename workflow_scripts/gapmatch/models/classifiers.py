"""Loading image classifiers of timm, complete and with their own preprocessing."""

from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import get_pretrained_cfg

from gapmatch.models.clip_models import Preprocess
from gapmatch.models.weights import load_weights
from gapmatch.running.errors import InputError


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
