"""Select the samples of the pool that a subset keeps."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from gapmatch.data.embedding_files import embedded_chunks
from gapmatch.running.atomic import write_json
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError
from gapmatch.similarity.arguments import positive
from gapmatch.subset.subset_files import (
    METHODS,
    Choice,
    Part,
    Pool,
    everything,
    gap_match,
    near_or_far,
    nothing,
    random,
    write_kept,
)
from gapmatch.subset.subsets import parse_keep, samples_to_keep


def parse_arguments() -> argparse.Namespace:
    """Parse the command line and check that the method has the arguments it needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subset", required=True, help="name of the subset")
    parser.add_argument("--method", choices=METHODS, required=True, help="how to select")
    parser.add_argument("--embedder", required=True, help="name of the embedder, for the summary")
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder of the pool's embeddings"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids of the pool")
    parser.add_argument("--duplicates", type=Path, help="folder of duplicates to leave out")
    parser.add_argument(
        "--similarity", type=Path, help="folder similarity/<embedder> (gap_match, near, far)"
    )
    parser.add_argument("--test-sets", nargs="+", help="test sets (gap_match, near, far)")
    parser.add_argument("--rank", type=positive, default=1, help="matched rank K (gap_match)")
    parser.add_argument("--offset", type=float, default=0.0, help="of the threshold (gap_match)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--keep", type=parse_keep, help="number, or fraction of the pool (near, far, random)"
    )
    size.add_argument(
        "--keep-like", type=Path, help="summary.json of the subset whose size is taken"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice (random)")
    parser.add_argument("--out", type=Path, required=True, help="folder of kept_<chunk>.parquet")
    parser.add_argument("--summary", type=Path, required=True, help="summary.json")
    args = parser.parse_args()
    if args.method in ("gap_match", "near", "far") and not (args.similarity and args.test_sets):
        parser.error(f"--method {args.method} needs --similarity and --test-sets")
    if args.method in ("near", "far", "random") and args.keep is None and not args.keep_like:
        parser.error(f"--method {args.method} needs --keep or --keep-like")
    return args


def wanted_samples(args: argparse.Namespace, pool: int) -> int:
    """Return how many samples --keep or --keep-like asks for."""
    keep = args.keep
    if args.keep_like:
        try:
            keep = int(json.loads(args.keep_like.read_text(encoding="utf-8"))["kept"])
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{args.keep_like}: expected a subset's summary.json with the key 'kept'."
            ) from error
    return samples_to_keep(keep, pool, args.subset)


def select(args: argparse.Namespace, pool: Pool) -> Iterator[tuple[Part, Choice]]:
    """Select by the method asked for, chunk by chunk."""
    if args.method == "gap_match":
        return gap_match(pool, args.similarity, args.test_sets, args.rank, args.offset)
    if args.method == "all":
        return everything(pool)
    if args.method == "none":
        return nothing(pool)
    number = wanted_samples(args, len(pool))
    if args.method == "random":
        return random(pool, number, args.seed)
    return near_or_far(pool, args.similarity, args.test_sets, args.method, number)


def main() -> None:
    """Select, write the kept rows of every chunk and a summary."""
    args = parse_arguments()
    pool = Pool(embedded_chunks(args.embeddings, args.chunks), args.duplicates)
    kept, pruned_by = 0, Counter[str]()
    choices = select(args, pool)
    for part, choice in tqdm(choices, total=len(pool.chunks), unit="chunk", mininterval=5):
        write_kept(args.out, part, choice.rows)
        kept += len(choice.rows)
        pruned_by.update(choice.pruned_by)
    searched = args.method in ("gap_match", "near", "far")
    matched = args.method == "gap_match"
    summary = {
        "subset": args.subset,
        "method": args.method,
        "embedder": args.embedder,
        "test_sets": args.test_sets if searched else [],
        "rank": args.rank if matched else None,
        "offset": args.offset if matched else None,
        "seed": args.seed if args.method == "random" else None,
        "embedded": pool.embedded,
        "duplicates": pool.embedded - len(pool),
        "pool": len(pool),
        "kept": kept,
        "pruned": len(pool) - kept,
        "pruned_by": dict(pruned_by),
    }
    write_json(args.summary, summary)


if __name__ == "__main__":
    run(main)
