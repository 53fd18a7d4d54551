"""Untrained models that tell images apart nevertheless, saved as checkpoints.

Of such a model all embeddings are much the same, and every image would be of one class: statistics
of normalisation and the mean of its outputs are adapted to images like those of the miniatures.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from PIL import Image
from programs import MODEL

from gapmatch.models.weights import save_weights

ROUNDS = 10


def patches(preprocess: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    """Return images of a few large patches, (32, 3, h, w)."""
    pixels = np.random.default_rng(3).integers(0, 256, (32, 4, 4, 3), dtype=np.uint8)
    return torch.stack([preprocess(Image.fromarray(one).resize((24, 24))) for one in pixels])


@torch.no_grad()
def untrained_clip(path: Path, seed: int = 5) -> Path:
    """Save the emoji study's CLIP model."""
    torch.manual_seed(seed)
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    images = patches(preprocess)
    model.train()
    for _ in range(ROUNDS):
        model.encode_image(images)
    model.eval()
    model.visual.attnpool.c_proj.bias -= model.encode_image(images).mean(dim=0)
    save_weights(path, model.state_dict())
    return path


@torch.no_grad()
def untrained_classifier(path: Path, model: str, outputs: int) -> Path:
    """Save a classifier of timm with so many outputs."""
    torch.manual_seed(6)
    network = timm.create_model(model, num_classes=outputs)
    network.get_classifier().weight.normal_()
    config = timm.data.resolve_model_data_config(network)
    images = patches(timm.data.create_transform(**config))
    network.train()
    for _ in range(ROUNDS):
        network(images)
    network.eval()
    network.get_classifier().bias -= network(images).mean(dim=0)
    save_weights(path, network.state_dict())
    return path
