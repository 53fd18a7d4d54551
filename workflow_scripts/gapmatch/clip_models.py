"""Loading CLIP models with open_clip, safely and completely."""

from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from PIL import Image

from gapmatch.errors import InputError
from gapmatch.weights import load_weights

Preprocess = Callable[[Image.Image], torch.Tensor]


def load_clip(
    model: str, device: torch.device, pretrained: str | None = None, checkpoint: Path | None = None
) -> tuple[torch.nn.Module, Preprocess, Callable[[list[str]], torch.Tensor]]:
    """Load a CLIP model for inference.

    Args:
        model: A model name of open_clip, or local-dir:FOLDER with an open_clip_config.json.
        device: Where the model shall be.
        pretrained: Tag of published weights.
        checkpoint: File of weights; exactly one of this and ``pretrained`` is given.

    Returns:
        The model in evaluation mode, its image preprocessing (PIL image to (3, h, w) float32)
        and its tokenizer (n texts to (n, context) int64).

    Raises:
        InputError: There are no weights, or they do not fit the model.
    """
    if (pretrained is None) == (checkpoint is None):
        raise InputError(f"{model}: expected either a tag of pretrained weights or a checkpoint")
    network, _, preprocess = open_clip.create_model_and_transforms(
        model, pretrained=pretrained, load_weights=pretrained is not None
    )
    if checkpoint is not None:
        try:
            network.load_state_dict(load_weights(checkpoint))
        except RuntimeError as error:
            raise InputError(f"{checkpoint} does not fit the model {model}: {error}") from None
    return network.to(device).eval(), preprocess, open_clip.get_tokenizer(model)
