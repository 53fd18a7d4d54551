"""Certifying a subset: from its files to the certificate, or to what violates it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gapmatch.data.embedding_files import embedded_chunks, open_chunks, open_embeddings
from gapmatch.models.weights import choose_device
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Device, Positive
from gapmatch.running.result_files import read_object
from gapmatch.subset import certificate
from gapmatch.subset.selection import read_kept


def read_summary(path: Path, subset: str, tests: dict[str, Path]) -> dict[str, Any]:
    """Read a subset's summary and check that it fits the options."""
    summary = read_object(path, ["subset", "method", "test_sets", "rank", "offset", "embedder"])
    if summary["subset"] != subset:
        raise InputError(f"{path}: is about the subset {summary['subset']}, expected {subset}.")
    absent = set(summary["test_sets"]) - set(tests)
    if absent and summary["method"] == "gap_match":
        raise InputError(
            f"{path}: {subset} is matched to {', '.join(sorted(absent))}, of which --tests gives "
            "no embeddings; add them."
        )
    return summary


def certify_subset(
    *,
    subset: str,
    summary: Path,
    kept: Path,
    chunks: list[str],
    pool: Path,
    reference: Path,
    reference_chunks: list[str],
    tests: list[tuple[str, Path]],
    device: Device = "auto",
    threads: Positive,
    out: Path,
    nearest: Path,
    profile: Path,
) -> None:
    """Certify a subset: recompute from the embeddings that nothing above the threshold was kept.

    It fails where the certificate is violated.

    Args:
        subset: Name of the subset.
        summary: The subset's summary.json.
        kept: Folder of kept_<chunk>.parquet.
        chunks: Chunk ids of the pool.
        pool: Folder of the pool's embeddings.
        reference: Folder of the reference's embeddings.
        reference_chunks: Chunk ids of the reference.
        tests: Test sets, and the embeddings of each; nearest.parquet holds all of them.
        device: auto takes a GPU where there is one.
        threads: Threads to compute with.
        out: Output: certificate.json.
        nearest: Output: nearest.parquet.
        profile: Output: profile.parquet.
    """
    torch.set_num_threads(threads)
    paths = dict(tests)
    declared = read_summary(summary, subset, paths)
    matched = declared["method"] == "gap_match"
    for path in paths.values():
        open_embeddings(path)
    reference_files = embedded_chunks(reference, reference_chunks)
    pool_files = embedded_chunks(pool, chunks)
    of_reference = [
        (files.embeddings, np.arange(len(stored)))
        for files, stored in zip(reference_files, open_chunks(reference_files), strict=True)
    ]
    of_pool = [
        (files.embeddings, read_kept(kept, files.chunk, len(stored)))
        for files, stored in zip(pool_files, open_chunks(pool_files), strict=True)
    ]
    rank = declared["rank"] if matched else 1
    place = choose_device(device).type
    rows = certificate.BLOCK_ROWS[place]
    measured = certificate.profiles(paths, of_reference, of_pool, rank, rows, place)
    if matched:
        named = {name: measured[name] for name in declared["test_sets"]}
        findings = certificate.certify(named, rank, declared["offset"])
    else:
        findings = certificate.nothing_to_certify(measured)
    result = {
        "subset": subset,
        **{key: declared[key] for key in ("embedder", "rank", "offset")},
        "tolerance": certificate.TOLERANCE,
        **findings,
    }
    # Beside the declared names: whoever looks finds them, and nothing trains on the subset.
    outputs = (out, nearest, profile)
    violated = [path.with_suffix(f".violated{path.suffix}") for path in outputs]
    written = violated if findings["violations"] else outputs
    if not findings["violations"]:
        for path in violated:
            path.unlink(missing_ok=True)
    write_parquet(written[1], certificate.nearest_table(measured))
    write_parquet(written[2], certificate.profile_table(measured))
    write_json(written[0], result)
    if findings["violations"]:
        raise InputError(
            f"{subset}: {findings['violations']} of {findings['test_images']} test images "
            f"have a nearer kept sample than the threshold allows (by up to "
            f"{findings['max_excess']:.3g}); see {written[0]}. The subset does not fit the "
            "embeddings: delete its folder and the margins, and run again."
        )
