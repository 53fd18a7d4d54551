"""Which products a GPU computes: the kernels where Triton runs them, else torch's."""

import logging

import torch

from gapmatch.similarity.gpu.products import Products, Shortlist, TorchProducts

logger = logging.getLogger(__name__)

CHECKED = (300, 200, 128)
"""Rows, tests and dimensions of the product by which the kernels are checked; a multiple of 16, or
Triton compiles other code than it does for real vectors."""

LEAST_CAPABILITY = (8, 0)
"""For older cards Triton compiles products that use no tensor cores."""


def fastest_products(device: torch.device) -> Products:
    """Return the kernels if they run on this device and agree with torch, else torch's products."""
    if torch.cuda.get_device_capability(device) < LEAST_CAPABILITY:
        logger.warning(
            "Triton's kernels need compute capability 8.0: torch multiplies, more slowly"
        )
        return TorchProducts()
    try:
        from gapmatch.similarity.gpu.triton_products import TritonProducts

        kernels = TritonProducts()
        off = difference(kernels, TorchProducts(), device)
    except Exception as error:  # Triton, its compiler and the driver raise many kinds
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        logger.warning("Triton runs no kernels here (%s): torch multiplies, more slowly", reason)
        return TorchProducts()
    if not off < 1e-4:
        logger.warning("Triton's kernels are off by %.2g here: torch multiplies, more slowly", off)
        return TorchProducts()
    logger.info("products by Triton's kernels")
    return kernels


def difference(one: Products, other: Products, device: torch.device) -> float:
    """Return the largest difference in a small product: of its peaks, dots and members."""
    rows, tests, dim = CHECKED
    group = one.tile * -(-tests // one.tile)
    values = torch.linspace(-1, 1, (rows + group) * dim, dtype=torch.float64)
    vectors = torch.nn.functional.normalize((values * 1e4).sin().view(-1, dim)).half().to(device)
    limits = torch.zeros(2, group, device=device)
    limits[1] = vectors[:group, 0].float()
    found = []
    for products in (one, other):
        peaks = products.peaks(vectors[:group], vectors[group:], limits, group, one.tile)
        place = torch.arange(rows, device=device)
        dots = products.dots(vectors, place, vectors, place + group)
        bounds = peaks.columns[:, 0] - 0.1
        pairs = Shortlist(vectors[:group], group, vectors[group:], [rows], place, limits, bounds)
        # Of each row, the test with the largest score at least.
        (members,) = products.members([pairs], rows * group)
        pair = place[:0] if members is None else members[0]
        parts = [peaks.columns, dots.float(), (pair.bincount(minlength=rows) > 0).float()]
        parts += [] if peaks.rows is None else [peaks.rows]
        found.append(torch.cat([part.flatten() for part in parts]))
    return float((found[0] - found[1]).abs().max())
