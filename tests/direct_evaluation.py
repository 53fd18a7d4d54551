"""Zero-shot evaluation with open_clip alone, by a plain loop over the original files."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from imagenet_miniatures import Miniature
from programs import MODEL

from gapmatch.data.shards import read_samples


def originals(chunk: Path) -> dict[str, str]:
    """Return the path of each sample's original file by shard and key, in order."""
    return {
        f"{tar.name}/{key}": json.loads(members["json"])["path"]
        for tar in sorted(chunk.glob("*.tar"))
        for key, members in read_samples(tar)
    }


@torch.no_grad()
def clip_scores(
    weights: Path, made: Miniature, templates: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """Return the cosine of each image with each class, by the image's path.

    Args:
        weights: State dict of the emoji study's model.
        made: The test set as it ships.
        templates: Prompt templates; None takes OpenAI's 80.
    """
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    names = [name for name, _ in made.classes]
    classifier = open_clip.build_zero_shot_classifier(
        model,
        open_clip.get_tokenizer(MODEL),
        names,
        templates or open_clip.OPENAI_IMAGENET_TEMPLATES,
    )
    scores = {}
    for path in made.images:
        pixels = preprocess(made.picture(path))[None]
        scores[path] = (model.encode_image(pixels, normalize=True) @ classifier)[0].numpy()
    return scores
