"""Image encoders that embed: CLIP models of open_clip, and image models of timm."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gapmatch.models.classifiers import load_classifier
from gapmatch.models.clip_models import load_clip
from gapmatch.models.preprocessing import Preprocessing, preprocessing
from gapmatch.running.errors import InputError


@dataclass(frozen=True)
class ImageEncoder:
    """A model in evaluation mode, with all that is needed to embed images with it.

    Attributes:
        name: What the user calls the model.
        weights: All its tensors by name.
        preprocessing: What makes its input of images.
        encode: (n, 3, h, w) on ``device`` to (n, dim), of any length.
        device: Where the model is.
    """

    name: str
    weights: dict[str, torch.Tensor]
    preprocessing: Preprocessing
    encode: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device


def clip_encoder(
    model: str, device: torch.device, pretrained: str | None, checkpoint: Path | None
) -> ImageEncoder:
    """Load the image encoder of a CLIP model, as ``clip_models.load_clip`` does."""
    network, preprocess, _ = load_clip(model, device, pretrained, checkpoint)
    encode: Callable[[torch.Tensor], torch.Tensor] = network.encode_image  # type: ignore[assignment]
    return ImageEncoder(
        model, network.state_dict(), preprocessing(model, preprocess), encode, device
    )


def timm_encoder(
    model: str, device: torch.device, checkpoint: Path | None, image_size: int | None
) -> ImageEncoder:
    """Load an image model of timm, as ``classifiers.load_classifier`` does, for its features.

    They are what its last layer sees: pooled, and for some models through one more layer.

    Raises:
        InputError: The model cannot be loaded.
    """
    network, preprocess = load_classifier(model, device, checkpoint, image_size)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        maps = network.forward_features(pixels)  # type: ignore[operator]
        features: torch.Tensor = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        if features.ndim != 2:
            raise InputError(
                f"the model {model} of timm gives features of shape {tuple(features.shape)}, "
                "expected one vector for each image: choose another model"
            )
        return features

    return ImageEncoder(
        model, network.state_dict(), preprocessing(model, preprocess), encode, device
    )
