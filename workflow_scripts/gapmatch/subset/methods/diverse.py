"""A number of samples, drawn evenly from a number of the pool's clusters: scale and diversity."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from gapmatch.cluster.cluster_files import number_of_clusters, read_clusters
from gapmatch.running.errors import InputError
from gapmatch.subset.groups import Counts, Draw, even_shares, group_sizes
from gapmatch.subset.method import Keep, Method, SubsetSettings
from gapmatch.subset.selection import Choice, Choices, Part, Selection, Size


class DiverseSubset(SubsetSettings):
    """A number of samples, drawn evenly from a number of the pool's clusters."""

    method: Literal["diverse"] = Field(description="Keep samples from some clusters, evenly.")
    keep: Keep
    clusters: int = Field(
        ge=1,
        description="How many of the pool's clusters (section clusters) the samples come from. Of "
        "one seed, a smaller number chooses some of the clusters of a larger one.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of clusters and samples.")


def cluster_shares(
    sizes: Counts, clusters: int, number: int, seed: int, subset: str
) -> tuple[Counts, Counts]:
    """Choose clusters at random, and divide the samples evenly among them.

    Args:
        sizes: (all clusters,): samples of each.
        clusters: How many are chosen, of those with samples.
        number: Samples to keep.
        seed: Seed of the choice.
        subset: Name of the subset, for messages.

    Returns:
        The chosen clusters, in the order of the choice; (all clusters,): the samples to keep of
        each.

    Raises:
        InputError: There are fewer clusters with samples, the chosen ones hold too few, or there
            is not a sample for each.
    """
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    filled = shuffled[sizes[shuffled] > 0]
    if len(filled) < clusters:
        raise InputError(
            f"subsets.{subset}.clusters asks for {clusters}, but only {len(filled)} of the pool's "
            f"{len(sizes)} clusters have samples: lower it, or raise clusters.number"
        )
    if number < clusters:
        raise InputError(
            f"subsets.{subset}.keep asks for {number} samples from {clusters} clusters, but one "
            f"from each is the least: raise it, or lower subsets.{subset}.clusters"
        )
    chosen = filled[:clusters]
    if sizes[chosen].sum() < number:
        raise InputError(
            f"subsets.{subset}.keep asks for {number} samples, but the {clusters} clusters that "
            f"the seed chooses hold {sizes[chosen].sum()}: lower it, raise "
            f"subsets.{subset}.clusters, or lower clusters.number, so that clusters are larger"
        )
    shares = np.zeros_like(sizes)
    shares[chosen] = even_shares(sizes[chosen], number)
    return chosen, shares


def select(
    *, selection: Selection, assigned: Path, clusters: int, size: Size = Size(), seed: int = 0
) -> None:
    """Keep samples from some clusters, evenly.

    Args:
        selection: The subset.
        assigned: Folder of clusters_<chunk>.parquet.
        clusters: How many clusters the samples come from.
        size: How much of the pool is kept.
        seed: Seed of the choice of clusters and samples.
    """
    pool, number_of_all = selection.pool(), number_of_clusters(assigned)

    def parts() -> Iterator[tuple[Part, npt.NDArray[np.int32]]]:
        for part in pool.parts():
            found = read_clusters(assigned, part.files.chunk, part.embedded, number_of_all)
            yield part, found[part.rows]

    sizes = group_sizes((one for _, one in parts()), number_of_all)
    number = size.samples(pool, selection.subset)
    chosen, shares = cluster_shares(sizes, clusters, number, seed, selection.subset)
    draw = Draw(sizes, shares, seed)

    def choices() -> Choices:
        for part, found in parts():
            kept, outside = draw.take(found), shares[found] == 0
            yield (
                part,
                Choice(
                    part.rows[kept],
                    {
                        "other_clusters": int(outside.sum()),
                        "diverse": int((~kept & ~outside).sum()),
                    },
                ),
            )

    even = -(-number // clusters)
    selection.write(
        "diverse",
        pool,
        choices(),
        settings={"clusters": clusters},
        seed=seed,
        too_small=int((sizes[chosen] < even).sum()),
        largest_share=int(shares.max()),
    )


METHOD = Method(
    settings=DiverseSubset,
    select=select,
    pruned="all of the clusters that are not chosen, and some of the chosen ones at random",
    curve="diverse ({clusters} clusters)",
    colour="#CC79A7",
    marker="D",
)
