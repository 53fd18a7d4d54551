"""The arithmetic in which this machine computes fastest, found by measuring.

Processors without bfloat16 instructions emulate them: on AVX2 alone a product in bfloat16 takes
5 to 50 times as long as in float32. Older GPUs emulate bfloat16 as well.
"""

import time
from dataclasses import dataclass

import torch

SIDE = 256
"""Rows of the matrices that are multiplied to find out."""

ROUNDS = 20

FEW_ROUNDS = 3
HOPELESS = 3
"""Where a product still takes so many times as long as in float32 after a few rounds, it is
emulated: no others follow."""


@dataclass(frozen=True)
class Precision:
    """The arithmetic of a training.

    Attributes:
        name: A value of open_clip_train's --precision.
        reason: Why it was taken, for people.
    """

    name: str
    reason: str


def multiply(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Write the products of all pairs of rows to ``out``.

    Args:
        left: (n, dim), float32 or bfloat16, on a CPU.
        right: (m, dim), likewise.
        out: (n, m), float32; a product of bfloat16 was rounded to bfloat16 first.

    Returns:
        (n, m), float32.
    """
    if left.dtype == torch.float32:
        return torch.mm(left, right.T, out=out)
    return out.copy_(torch.mm(left, right.T))


def bfloat16_gain(dim: int = 512) -> float:
    """Return how many times as fast as in float32 one thread multiplies in bfloat16.

    It measures the thread's own time, in turn, so that what else the machine does changes little.
    Where the clock is too coarse for that it returns 1.

    Args:
        dim: Length of the vectors that are multiplied.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        full, half = (_Product(dtype, dim) for dtype in (torch.float32, torch.bfloat16))
        for number in range(ROUNDS):
            full.measure()
            half.measure()
            if number + 1 >= FEW_ROUNDS and half.fastest > HOPELESS * full.fastest:
                break
        return full.fastest / half.fastest if half.fastest else 1.0
    finally:
        torch.set_num_threads(threads)


class _Product:
    """A product of two matrices, and the seconds of its thread that the fastest one took."""

    def __init__(self, dtype: torch.dtype, dim: int) -> None:
        self.vectors = torch.full((SIDE, dim), dim**-0.5).to(dtype)
        self.out = torch.empty(SIDE, SIDE)
        self.fastest = float("inf")
        one = self.vectors[:1]
        multiply(one, one, self.out[:1, :1])  # libraries prepare themselves at first

    def measure(self) -> None:
        start = time.thread_time()
        multiply(self.vectors, self.vectors, self.out)
        self.fastest = min(self.fastest, time.thread_time() - start)


def training_precision(asked: str, device: torch.device) -> Precision:
    """Return the arithmetic of a training: what was asked for, or for "auto" the fastest.

    A GPU takes amp_bf16, an older one amp (float16 with scaled gradients). A CPU takes amp_bf16
    where it multiplies faster in bfloat16 than in float32, else fp32.

    Args:
        asked: A value of open_clip_train's --precision, or "auto".
        device: Where the training runs.
    """
    if asked != "auto":
        return Precision(asked, "the study asks for it")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("amp_bf16", "this GPU computes in bfloat16")
        return Precision("amp", "this GPU has no bfloat16 instructions")
    gain = bfloat16_gain()
    said = f"on this processor products in bfloat16 are {gain:.2g} times as fast as in float32"
    return Precision("amp_bf16" if gain > 1 else "fp32", said)
