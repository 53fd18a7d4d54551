"""Measure deduplication against the bare product of the pairs that it has to compare."""

import argparse
from functools import partial

import numpy as np
import torch
from search import bare_product, embeddings
from timing import in_turn, machine, table

from gapmatch.cluster.clustering import assign_clusters
from gapmatch.deduplicate.deduplication import find_duplicates
from gapmatch.similarity.engines import make_engine


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=640)
    parser.add_argument("--clusters", type=int, default=20, help="that the samples fall into")
    parser.add_argument("--centroids", type=int, default=5_000, help="to assign samples to")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = embeddings(rng, args.centroids, args.dim, np.zeros((1, args.dim), np.float16))
    pool = embeddings(rng, args.samples, args.dim, centres)
    cluster = rng.integers(0, args.clusters, args.samples).astype(np.int32)
    torch.set_num_threads(args.threads)
    engine = make_engine("fused", "cpu", args.threads, 8_000)
    samples = np.arange(args.samples)
    seconds = in_turn(
        {
            "bare product": partial(bare_product, pool[:20_000], centres),
            "assign_clusters": partial(assign_clusters, pool, centres, engine),
            "find_duplicates": partial(
                find_duplicates, [pool], samples, cluster, 0.876, args.samples
            ),
        },
        args.rounds,
    )
    sizes = np.bincount(cluster).astype(float)
    pairs = {
        "bare product": 20_000.0 * args.centroids,
        "assign_clusters": float(args.samples * args.centroids),
        "find_duplicates": float((sizes * (sizes - 1) / 2).sum()),
    }
    rates = {name: 2 * args.dim * pairs[name] / seconds[name] / 1e9 for name in pairs}
    lines = [
        [name, f"{seconds[name]:.2f}", f"{rate:.0f}", f"{rate / rates['bare product']:.2f}"]
        for name, rate in rates.items()
    ]
    print(
        f"{args.samples:,} samples of {args.dim} dimensions: assigned to {args.centroids:,} "
        f"centroids; compared within {args.clusters} clusters of {sizes.mean():,.0f}. "
        f"{args.threads} threads. {machine()}.\n"
    )
    print(table(["what", "seconds", "GFLOP/s of the pairs needed", "of the bare product"], lines))


if __name__ == "__main__":
    main()
