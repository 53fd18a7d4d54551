"""Zero-shot retrieval: captions of an image among all captions, and images of a caption."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from gapmatch.data.chunks import Chunk
from gapmatch.data.samples import Sample
from gapmatch.evaluate import metrics
from gapmatch.evaluate.predictions import BATCH_SIZE, require_finite, through_images
from gapmatch.models.clip_models import Preprocess
from gapmatch.models.weights import autocast

Ranks = npt.NDArray[np.int32]


def captions_of(sample: Sample) -> list[str]:
    """Return the captions of a sample: one in each line."""
    return [line.strip() for line in sample.caption.splitlines() if line.strip()]


@torch.no_grad()
def retrieve(
    chunk: Chunk,
    network: torch.nn.Module,
    preprocess: Preprocess,
    tokenizer: Callable[[list[str]], torch.Tensor],
    device: torch.device,
    workers: int,
) -> pl.DataFrame:
    """Rank captions for each image of a test set, and images for each of its captions.

    Args:
        chunk: The test set, with captions.
        network: A model of open_clip.
        preprocess: PIL image to (3, h, w) float32.
        tokenizer: n texts to (n, context) int64.
        device: Where the network is.
        workers: Processes that decode images; the result does not depend on it.

    Returns:
        One row per image that could be read, in order: test_row (int32), image_path, caption_rank
        (int32: of the first of its own captions among all), image_ranks (list of int32: for each
        of its captions, of the image among all). Ranks begin at 1; of equal scores the earlier
        comes first.

    Raises:
        InputError: There is no image, one has no caption, or a feature is not finite.
    """

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        with autocast(device):
            features: torch.Tensor = network.encode_image(pixels.to(device), normalize=True)  # type: ignore[operator]
        return require_finite(features.float(), chunk)

    samples, images = through_images(
        chunk,
        preprocess,
        encode,
        workers,
        lambda sample: None if captions_of(sample) else "caption (txt)",
    )
    captions = [captions_of(sample) for sample in samples]
    texts = [caption for found in captions for caption in found]
    image_of_text = np.repeat(np.arange(len(samples)), [len(found) for found in captions])
    encoded = require_finite(_encode_texts(network, tokenizer, texts, device), chunk)
    caption_rank, image_rank = ranks(images, encoded, image_of_text)
    ends = np.cumsum([len(found) for found in captions])[:-1]
    return pl.DataFrame(
        {
            "test_row": np.arange(len(samples), dtype=np.int32),
            "image_path": [sample.image_path for sample in samples],
            "caption_rank": caption_rank,
            "image_ranks": [part.tolist() for part in np.split(image_rank, ends)],
        },
        schema_overrides={"image_ranks": pl.List(pl.Int32)},
    )


def _encode_texts(
    network: torch.nn.Module,
    tokenizer: Callable[[list[str]], torch.Tensor],
    texts: Sequence[str],
    device: torch.device,
) -> torch.Tensor:
    """Return normalised features of texts, (n, dim) float32."""
    blocks = []
    for start in range(0, len(texts), BATCH_SIZE):
        tokens = tokenizer(list(texts[start : start + BATCH_SIZE])).to(device)
        with autocast(device):
            features = network.encode_text(tokens, normalize=True)  # type: ignore[operator]
        blocks.append(features.float())
    return torch.cat(blocks)


def ranks(
    images: torch.Tensor, texts: torch.Tensor, image_of_text: npt.NDArray[np.int64]
) -> tuple[Ranks, Ranks]:
    """Rank the captions of each image, and the image of each caption.

    Args:
        images: (n, dim), float32, normalised.
        texts: (m, dim), float32, normalised.
        image_of_text: (m,): the image that each caption belongs to, ascending; each has one.

    Returns:
        (n,): rank of the first own caption of each image among all captions. (m,): rank of the
        image of each caption among all images. Ranks begin at 1; of equal scores the earlier is
        first.
    """
    belongs = torch.from_numpy(image_of_text).to(images.device)
    caption_rank = torch.empty(len(images), dtype=torch.int64)
    image_rank = torch.ones(len(texts), dtype=torch.int64, device=images.device)
    for start in range(0, len(images), BATCH_SIZE):
        stop = min(start + BATCH_SIZE, len(images))
        scores = images[start:stop] @ texts.T
        caption_rank[start:stop] = _first_own(scores, belongs, start).cpu()
    for start in range(0, len(texts), BATCH_SIZE):
        stop = min(start + BATCH_SIZE, len(texts))
        scores = texts[start:stop] @ images.T
        image_rank[start:stop] = _rank_of(scores, belongs[start:stop])
    return caption_rank.numpy().astype(np.int32), image_rank.cpu().numpy().astype(np.int32)


def _first_own(scores: torch.Tensor, belongs: torch.Tensor, first: int) -> torch.Tensor:
    """Return the rank of the best own caption in each row of scores, (rows,) int64."""
    rows = torch.arange(first, first + len(scores), device=scores.device)
    own = belongs[None, :] == rows[:, None]
    best = scores.masked_fill(~own, -torch.inf).argmax(dim=1)  # the earliest of equal ones
    return _rank_of(scores, best)


def _rank_of(scores: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Return the rank of one column in each row of scores, (rows,) int64."""
    score = scores.gather(1, column[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device)[None, :] < column[:, None]
    return 1 + ((scores > score) | ((scores == score) & earlier)).sum(dim=1)


def summarise(found: pl.DataFrame) -> dict[str, Any]:
    """Return n, captions, and the recalls in both directions (fractions) at ``RECALLS``.

    As in papers of CLIP: an image is found by its captions if one of them is among the first K
    captions (image_to_text); a caption finds its image if that is among the first K images
    (text_to_image).
    """
    names = [f"{direction}_{k}" for direction in metrics.DIRECTIONS for k in metrics.RECALLS]
    return {
        "n": len(found),
        "captions": int(metrics.captions_of(found).sum()),
        **{name: float(metrics.values(name, [found])[0]) for name in names},
    }
