"""Encoding images batch by batch: a GPU has the next batch before the last one is fetched."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from gapmatch.models.image_encoders import ImageEncoder

logger = logging.getLogger(__name__)

LEAST_ROWS = 32
"""A CPU uses another matrix kernel for fewer rows: the same image would get a slightly different
embedding (1e-7 in a coordinate)."""


@dataclass(frozen=True)
class Encoded:
    """A batch whose features may still be on their way.

    Attributes:
        inputs: What was encoded, (rows, 3, h, w) float32; rows beyond the batch are padding.
        features: (n, dim) float32, in the memory of the CPU.
        finite: () bool, whether all features are; None where float32 computed them.
        arrived: Fires when both have reached the CPU; None if they are there.
    """

    inputs: torch.Tensor
    features: torch.Tensor
    finite: torch.Tensor | None = None
    arrived: torch.cuda.Event | None = None


class BatchEncoder:
    """Encodes batches of up to ``batch_size`` images.

    A GPU computes in float16 with float32 sums: a rounding of that is 8 times finer than one of
    bfloat16 (docs/method.md). What it cannot represent is computed again in float32.

    On a GPU all batches have the same number of rows, on a CPU not too few: then what comes of an
    image does not depend on its batch.

    Args:
        encoder: The model.
        batch_size: Images per batch, at most.
    """

    def __init__(self, encoder: ImageEncoder, batch_size: int) -> None:
        self.encoder, self.batch_size = encoder, batch_size
        self.half = encoder.device.type == "cuda"
        # The one of the batch before is kept until its features have been looked at.
        self.inputs: list[torch.Tensor | None] = [None, None] if self.half else [None]
        self.batch = self.rows = 0

    def add(self, pixels: torch.Tensor) -> None:
        """Add images to the batch.

        Args:
            pixels: (n, 3, h, w), what the model's ``preprocessing.read`` gave; copied.
        """
        if not len(pixels):
            return
        where = self.batch % len(self.inputs)
        inputs = self.inputs[where]
        if inputs is None:
            shape = (self.batch_size, *pixels.shape[1:])
            inputs = self.inputs[where] = torch.zeros(shape, device=self.encoder.device)
        if self.half:
            pixels = pixels.pin_memory().to(self.encoder.device, non_blocking=True)
        out = inputs[self.rows : self.rows + len(pixels)]
        self.encoder.preprocessing.write(pixels, out)
        self.rows += len(pixels)

    @torch.no_grad()
    def encode(self) -> Encoded:
        """Encode the batch, and begin the next."""
        count, self.rows = self.rows, 0
        inputs = self.inputs[self.batch % len(self.inputs)]
        if not count or inputs is None:
            return Encoded(torch.empty(0), torch.empty(0, 0))
        self.batch += 1
        if not self.half:
            inputs = inputs[: max(count, min(LEAST_ROWS, self.batch_size))]
            return Encoded(inputs, self._features(inputs)[:count])
        with torch.autocast("cuda", torch.float16):
            features = self._features(inputs)[:count]
        finite = torch.isfinite(features).all()
        features = features.to("cpu", non_blocking=True)
        finite = finite.to("cpu", non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        return Encoded(inputs, features, finite, arrived)

    def _features(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.encoder.encode(inputs).float()

    @torch.no_grad()
    def fetch(self, encoded: Encoded) -> np.ndarray:
        """Return the features of a batch, (n, dim) float32.

        At most one other batch may have been encoded since, and none begun after it.
        """
        if encoded.arrived:
            encoded.arrived.synchronize()
        features = encoded.features
        if encoded.finite is not None and not encoded.finite:
            logger.warning("features beyond float16: a batch is encoded again in float32")
            features = self._features(encoded.inputs)[: len(features)].cpu()
        return features.numpy()
