"""Loading CLIP models with open_clip, safely and completely."""

from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from PIL import Image

from gapmatch.models.weights import load_weights
from gapmatch.running.errors import InputError

Preprocess = Callable[[Image.Image], torch.Tensor]


def name_own_weights(model: str, tag: str) -> None:
    """Let open_clip fetch the weights of a tag where its table names another tag's on the hub.

    open_clip 3.3 does so for ViT-B-16-plus-240: its laion400m_e32 is the hub's laion400m_e31. The
    address of the file itself, which open_clip takes where the hub is not named, is right.
    """
    published = open_clip.pretrained.get_pretrained_cfg(model, tag)
    others = set(open_clip.list_pretrained_tags_by_model(model)) - {tag}
    named = published.get("hf_hub", "").rstrip("/").rpartition(".")[2]
    if published.get("url") and named in others:
        published["hf_hub"] = ""


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
    if pretrained is not None:
        name_own_weights(model, pretrained)
    try:
        network, _, preprocess = open_clip.create_model_and_transforms(
            model, pretrained=pretrained, load_weights=pretrained is not None
        )
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"the model {model} of open_clip cannot be had ({error}): expected one that open_clip "
            "knows, and, for published weights, a tag of it and a network to fetch them"
        ) from error
    if checkpoint is not None:
        try:
            network.load_state_dict(load_weights(checkpoint))
        except RuntimeError as error:
            raise InputError(f"{checkpoint} does not fit the model {model}: {error}") from None
    return network.to(device).eval(), preprocess, open_clip.get_tokenizer(model)
