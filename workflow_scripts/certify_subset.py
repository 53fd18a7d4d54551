"""Certify a subset: recompute from the embeddings that nothing above the threshold was kept."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gapmatch.data.embedding_files import embedded_chunks, open_chunks, open_embeddings
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.command_line import named_path, run
from gapmatch.running.errors import InputError
from gapmatch.similarity.arguments import add_device_argument, add_threads_argument
from gapmatch.subset import certificate
from gapmatch.subset.subset_files import read_kept


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subset", required=True, help="name of the subset")
    parser.add_argument("--summary", type=Path, required=True, help="the subset's summary.json")
    parser.add_argument("--kept", type=Path, required=True, help="folder of kept_<chunk>.parquet")
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids of the pool")
    parser.add_argument("--pool", type=Path, required=True, help="folder of the pool's embeddings")
    parser.add_argument(
        "--reference", type=Path, required=True, help="folder of the reference's embeddings"
    )
    parser.add_argument(
        "--reference-chunks", nargs="+", required=True, help="chunk ids of the reference"
    )
    parser.add_argument(
        "--tests",
        type=named_path,
        nargs="+",
        required=True,
        metavar="NAME=PATH",
        help="embeddings of each test set; nearest.parquet holds all of them",
    )
    add_device_argument(parser)
    add_threads_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="certificate.json")
    parser.add_argument("--nearest", type=Path, required=True, help="nearest.parquet")
    parser.add_argument("--profile", type=Path, required=True, help="profile.parquet")
    return parser.parse_args()


def read_summary(path: Path, subset: str, tests: dict[str, Path]) -> dict[str, Any]:
    """Read a subset's summary and check that it fits the arguments."""
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name, absent = summary["subset"], set(summary["test_sets"]) - set(tests)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: expected the summary.json of a subset.") from error
    if name != subset:
        raise InputError(f"{path}: is about the subset {name}, expected {subset}.")
    if absent and summary["method"] == "gap_match":
        raise InputError(
            f"{path}: {subset} is matched to {', '.join(sorted(absent))}, of which --tests gives "
            "no embeddings; add them."
        )
    return summary


def main() -> None:
    """Measure, write certificate and similarities; fail when the certificate is violated."""
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    tests = dict(args.tests)
    summary = read_summary(args.summary, args.subset, tests)
    matched = summary["method"] == "gap_match"

    reference_files = embedded_chunks(args.reference, args.reference_chunks)
    pool_files = embedded_chunks(args.pool, args.chunks)
    for path in tests.values():
        open_embeddings(path)
    reference = [
        (files.embeddings, np.arange(len(stored)))
        for files, stored in zip(reference_files, open_chunks(reference_files), strict=True)
    ]
    kept = [
        (files.embeddings, read_kept(args.kept, files.chunk, len(stored)))
        for files, stored in zip(pool_files, open_chunks(pool_files), strict=True)
    ]
    rank = summary["rank"] if matched else 1
    device = choose_device(args.device).type
    rows = certificate.BLOCK_ROWS[device]
    measured = certificate.profiles(tests, reference, kept, rank, rows, device)

    if matched:
        named = {name: measured[name] for name in summary["test_sets"]}
        findings = certificate.certify(named, rank, summary["offset"])
    else:
        findings = certificate.nothing_to_certify(measured)
    result = {
        "subset": args.subset,
        "embedder": summary["embedder"],
        "rank": summary["rank"],
        "offset": summary["offset"],
        "tolerance": certificate.TOLERANCE,
        **findings,
    }
    declared = (args.out, args.nearest, args.profile)
    # Beside the declared names: whoever looks finds them, and nothing trains on the subset.
    violated = [path.with_suffix(f".violated{path.suffix}") for path in declared]
    out, nearest, profile = violated if findings["violations"] else declared
    if not findings["violations"]:
        for path in violated:
            path.unlink(missing_ok=True)
    write_parquet(nearest, certificate.nearest_table(measured))
    write_parquet(profile, certificate.profile_table(measured))
    write_json(out, result)
    if findings["violations"]:
        raise InputError(
            f"{args.subset}: {findings['violations']} of {findings['test_images']} test images "
            f"have a nearer kept sample than the threshold allows (by up to "
            f"{findings['max_excess']:.3g}); see {out}. The subset does not fit the embeddings: "
            "delete its folder and the margins, and run again."
        )


if __name__ == "__main__":
    run(main)
