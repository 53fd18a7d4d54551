"""Certifying subsets: from their files to certificates, or to what violates them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    embedded_chunks,
    open_chunks,
    open_embeddings,
    require_same_dimension,
)
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Device, Positive
from gapmatch.running.result_files import read_object
from gapmatch.running.shared_pass import share_pass
from gapmatch.subset.certificate_files import CertificateRequest, Certification, is_matched
from gapmatch.subset.kept_files import kept_path, read_kept

if TYPE_CHECKING:
    from gapmatch.subset.certificate import Chunk, Profile

logger = logging.getLogger(__name__)

Mask: TypeAlias = npt.NDArray[np.bool_]


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
    also: list[tuple[str, str]] | None = None,
    state: Path,
) -> None:
    """Certify a subset: recompute from the embeddings that nothing above the threshold was kept.

    It fails where the certificate is violated. The program that comes first reads the pool for all
    subsets that are due; the others find their certificates.

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
        also: Other subsets, each with a test set that it is measured against; their files lie in
            folders of their names beside these.
        state: Folder where certificates of others wait.
    """
    own = Certification(subset, summary, kept, dict(tests), out, nearest, profile)
    measured_against: dict[str, list[str]] = {}
    for other, test_set in also or []:
        measured_against.setdefault(other, []).append(test_set)
    pool_files = embedded_chunks(pool, chunks)
    reference_files = embedded_chunks(reference, reference_chunks)
    images = sum(len(stored) for stored in open_chunks(reference_files))
    own.declared(images)

    def request(one: Certification) -> CertificateRequest:
        inputs = [one.summary, *one.tests.values()]
        inputs += [kept_path(one.kept, files.chunk) for files in pool_files]
        inputs += [files.embeddings for files in (*pool_files, *reference_files)]
        return CertificateRequest(one.subset, tuple(inputs), one.outputs, one, images)

    def compute(wanted: Sequence[tuple[CertificateRequest, Sequence[Path]]]) -> None:
        pass_ = _Pass(own, pool_files, reference_files)
        declared = pass_.join([one.files for one, _ in wanted], images)
        measured = pass_.measure(declared, device, threads)
        for one, outputs in wanted:
            if one.name in measured:
                _write(declared[one.name], measured[one.name], outputs)

    for path in own.violated:
        path.unlink(missing_ok=True)
    others = [request(own.of(other, names)) for other, names in measured_against.items()]
    share_pass(state, request(own), others, "", compute)
    _refuse_violation(own)


class _Pass:
    """One pass over reference and pool for several subsets.

    A subset of which a file is unusable is left out, for its own job to say; the job's own raises.
    """

    def __init__(
        self,
        own: Certification,
        pool: Sequence[EmbeddedChunk],
        reference: Sequence[EmbeddedChunk],
    ) -> None:
        self._own = own
        self._pool, self._reference = pool, reference
        self._joined: dict[str, Certification] = {}

    def join(self, ones: Sequence[Certification], images: int) -> dict[str, dict[str, Any]]:
        """Return what the subsets declare that are measured.

        Args:
            ones: Subsets, the own first.
            images: Number of images of the reference.
        """
        pool = open_chunks(self._pool)[0]
        declared = {}
        for one in ones:
            with self._leaving_out(one):
                declared[one.subset] = one.declared(images)
                for path in one.tests.values():
                    require_same_dimension(pool, open_embeddings(path))
                self._joined[one.subset] = one
        return declared

    def measure(
        self, declared: Mapping[str, Mapping[str, Any]], device: Device, threads: int
    ) -> dict[str, dict[str, "Profile"]]:
        """Return the profiles of the subsets that joined, by subset and test set."""
        # Imported here because a job that only fetches its certificate does not need torch.
        import torch

        from gapmatch.models.weights import choose_device
        from gapmatch.subset import certificate

        torch.set_num_threads(threads)
        place = choose_device(device).type
        joined = dict(self._joined)
        tests = {name: path for one in joined.values() for name, path in one.tests.items()}
        measured = certificate.profiles(
            tests,
            {subset: list(one.tests) for subset, one in joined.items()},
            _chunks(self._reference, lambda _, rows: {certificate.REFERENCE: np.ones(rows, bool)}),
            _chunks(self._pool, lambda files, rows: self._kept(joined, files, rows)),
            max(declared[subset]["rank"] or 1 for subset in joined),
            certificate.BLOCK_ROWS[place],
            place,
        )
        return {subset: measured[subset] for subset in self._joined}

    def _kept(
        self, joined: Mapping[str, Certification], files: EmbeddedChunk, rows: int
    ) -> dict[str, Mask]:
        """Return which rows of a chunk each subset keeps; of one that is left out now, none."""
        masks = {subset: np.zeros(rows, dtype=np.bool_) for subset in joined}
        for subset, one in list(self._joined.items()):
            with self._leaving_out(one):
                masks[subset][read_kept(one.kept, files.chunk, rows)] = True
        return masks

    @contextmanager
    def _leaving_out(self, one: Certification) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            if one is self._own:
                raise
            self._joined.pop(one.subset, None)
            logger.warning("%s is left to its own job: %s", one.subset, error)


def _chunks(
    chunks: Sequence[EmbeddedChunk], kept: Callable[[EmbeddedChunk, int], Mapping[str, Mask]]
) -> list["Chunk"]:
    """Return embedding files, and what subsets keep of each."""
    from gapmatch.subset.certificate import Chunk

    return [
        Chunk(files.embeddings, len(stored), partial(kept, files, len(stored)))
        for files, stored in zip(chunks, open_chunks(chunks), strict=True)
    ]


def _write(
    declared: Mapping[str, Any], measured: Mapping[str, "Profile"], outputs: Sequence[Path]
) -> None:
    """Write nearest similarities, profile and certificate of a subset to given paths."""
    from gapmatch.subset import certificate, certificate_tables

    if is_matched(declared):
        named = {name: measured[name] for name in declared["test_sets"]}
        findings = certificate.certify(named, declared["rank"], declared["offset"])
    else:
        findings = certificate.nothing_to_certify(measured)
    nearest, profile, written = outputs
    write_parquet(nearest, certificate_tables.nearest_table(measured))
    write_parquet(profile, certificate_tables.profile_table(measured))
    result = {
        **{key: declared[key] for key in ("subset", "embedder", "rank", "offset")},
        "tolerance": certificate.TOLERANCE,
        **findings,
    }
    write_json(written, result)


def _refuse_violation(one: Certification) -> None:
    """Raise InputError where a subset's certificate was found to be violated."""
    written = one.violated[-1]
    if not written.exists():
        return
    found = read_object(written, ["violations", "test_images", "max_excess"])
    raise InputError(
        f"{one.subset}: {found['violations']} of {found['test_images']} test images "
        f"have a nearer kept sample than the threshold allows (by up to "
        f"{found['max_excess']:.3g}); see {written}. The subset does not fit the "
        "embeddings: delete its folder and the margins, and run again."
    )
