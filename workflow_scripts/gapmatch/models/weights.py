"""Devices and weights: what of torch is needed without a model."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError


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
    """Return bf16 autocast on a GPU, and fp32 on a CPU or on a GPU that would emulate bf16."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


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


def not_finite(weights: dict[str, torch.Tensor]) -> list[str]:
    """Return the names of the tensors that hold a NaN or an infinity."""
    return [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]


def save_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Save a state dict, atomically; equal weights are equal bytes."""
    # Given a path, torch would write the temporary file's name into the archive.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(weights, file)
