"""The product that finds candidates: in what precision a CPU takes it, and how far it may be off.

A pair of images is recomputed in float64 when its score, the entry of a fast product of rounded
vectors, is so near to a decision that rounding might have turned it. "So near" is a proven bound.

Let x' be the stored vector x divided by its length, y' likewise, so that s(x, y) = x'.y'. The
product is taken of vectors x~ that differ from x' for two reasons:

- normalising in float32 (unit roundoff u = 2^-24) changes every component by a factor of at most
  1 + (dim/2 + 3) u: half the relative error of a sum of ``dim`` squares, in any order, one
  rounding for the root, one for its reciprocal or division, one for the quotient;
- rounding to the dtype of the product; this error is measured on the vectors at hand.

With d(x) = ||x~ - x'||, Cauchy and Schwarz give |x~.y~ - x'.y'| <= d(x) + (1 + d(x)) d(y). To
this comes the error of the product's sum of ``dim`` terms (``sum_error``). A product that is
returned in bfloat16 is rounded once more, by 2^-9 below 1; a result that rounds
up to 1 or beyond belongs to a similarity that is at most 1, which is no further away.
Comparing to a threshold in float32 rounds twice more, each time by at most 2^-23.
"""

import logging
from dataclasses import dataclass

import torch

from gapmatch.models.precision import bfloat16_gain

logger = logging.getLogger(__name__)

GAIN_WANTED = 1.3
"""How much faster a product in low precision must be to be worth its extra candidates."""


@dataclass(frozen=True)
class Screen:
    """Vectors as they enter the product.

    Attributes:
        vectors: (rows, dim), float32 or bfloat16.
        error: Bound on the distance of any of them from its stored vector of length 1.
    """

    vectors: torch.Tensor
    error: float


def normalising_error(dim: int) -> float:
    """Return the bound on the distance of a float32 vector from its stored one of length 1."""
    return (dim / 2 + 3) * 2.0**-24


def screen(normalised: torch.Tensor, dtype: torch.dtype) -> Screen:
    """Round vectors to the dtype of the product, and bound what that does to them.

    Args:
        normalised: (rows, dim), float32, of length 1.
        dtype: float32 or bfloat16.
    """
    dim = normalised.shape[1]
    if dtype == torch.float32:
        return Screen(normalised, normalising_error(dim))
    rounded = normalised.to(dtype)
    distance = torch.linalg.vector_norm(rounded.float().sub_(normalised), dim=1)
    largest = float(distance.max()) if len(distance) else 0.0
    # The distance itself is computed in float32.
    return Screen(rounded, normalising_error(dim) + largest * (1 + dim * 2.0**-24))


def sum_error(dim: int, *, fused: bool) -> float:
    """Return the bound on the error of a sum of ``dim`` products, per ||x|| ||y||.

    Float32 adders that take two numbers at a time, in any order, and at worst truncate to 24 bits
    make an error of at most dim 2^-23 (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd ed., 3.1).

    The units that multiply low precision add several exact products and a partial sum at once:
    they align them to the largest, cut each below 2^-23 of its leading bit, and cut the sum to 24
    bits (Fasi, Higham, Mikaitis and Pranesh, Numerical behavior of NVIDIA tensor cores, PeerJ
    Computer Science 7:e330, 2021; later units keep more bits). So an adder of m numbers loses at
    most (m + 1) 2^-23 of the largest number in it or of its sum, and none of these exceeds the
    sum of all |x_k y_k|, at most ||x|| ||y||, by more than what was lost before. Whatever tree the
    adders form, over ``dim`` products and a zero to begin with: a tree with n leaves whose inner
    nodes have at least two children has at most n - 1 of them and 2 n - 2 children, so the sum of
    m + 1 is below 3 n. This holds for any number of products per adder, any order and any split.

    Args:
        dim: Products in the sum.
        fused: Whether adders may take more than two numbers.
    """
    if not fused:
        return dim * 2.0**-23
    lost = 3 * (dim + 1) * 2.0**-23
    return lost * (1 + 2 * lost)


def score_error(left: Screen, right: Screen) -> float:
    """Return the bound on |score - similarity| for every pair of rows (module docstring)."""
    dim, dtype = left.vectors.shape[1], left.vectors.dtype
    bound = left.error + (1 + left.error) * right.error
    lost = sum_error(dim, fused=dtype != torch.float32)
    bound += lost * (1 + left.error) * (1 + right.error)
    if dtype == torch.bfloat16:
        bound += 2.0**-9
    return bound + 2 * 2.0**-23


def augmented_score_error(dim: int) -> float:
    """Return the bound for float32 vectors with one more dimension, which holds a threshold.

    One term is added, and the terms' magnitudes sum up to 2 at most instead of 1.
    """
    error = normalising_error(dim)
    lost = 2 * sum_error(dim + 1, fused=False) * (1 + error) ** 2
    return 2 * error + error**2 + lost + 2 * 2.0**-23


def fastest_dtype(dim: int) -> torch.dtype:
    """Return the dtype in which this processor multiplies fast enough to screen with.

    It takes bfloat16 if a product of that size is ``GAIN_WANTED`` times as fast as in float32, as
    with AVX512-BF16 and AMX instructions. The results are the same for every dtype.
    """
    gain = bfloat16_gain(dim)
    chosen = torch.bfloat16 if gain >= GAIN_WANTED else torch.float32
    logger.info("products in bfloat16 are %.2f times as fast as in float32: %s", gain, chosen)
    return chosen
