"""Loading CLIP models with open_clip, safely and completely."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image

from gapmatch.errors import InputError

Preprocess = Callable[[Image.Image], torch.Tensor]


def choose_device(name: str) -> torch.device:
    """Turn auto, cpu or cuda into a device; auto is the GPU where there is one.

    Raises:
        InputError: cuda was asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device is cuda, but torch finds no GPU: use auto or cpu")
    return torch.device(name)


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return bf16 autocast on a GPU and fp32 on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict without executing pickled code.

    Training checkpoints of open_clip (weights under "state_dict", names with "module.") are
    understood.

    Raises:
        InputError: The file is missing, or not a state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: expected the weights of a model") from None
    except Exception as error:  # torch raises many kinds for a broken or unsafe file
        raise InputError(
            f"{path} is not a state dict that torch can load safely: {error}"
        ) from None
    weights = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(weights, dict) or not all(torch.is_tensor(w) for w in weights.values()):
        raise InputError(f"{path} holds no state dict: expected tensors by name")
    return {name.removeprefix("module."): tensor for name, tensor in weights.items()}


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
