"""Certifying subsets: from their files to certificates, or to what violates them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    embedded_chunks,
    open_chunks,
    open_embeddings,
)
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Device, Positive
from gapmatch.running.result_files import read_object
from gapmatch.running.shared_pass import Request, beside, share_pass
from gapmatch.subset.selection import kept_path, read_kept

if TYPE_CHECKING:
    from gapmatch.subset.certificate import Chunk, Profile


@dataclass(frozen=True)
class Certification:
    """The files of the certification of a subset, most of them in the subset's folder.

    Attributes:
        subset: Name of the subset.
        summary: Its summary.json.
        kept: Folder of its kept_<chunk>.parquet.
        tests: Embeddings of the test sets that it is measured against, by name.
        certificate: Output: certificate.json.
        nearest: Output: nearest.parquet.
        profile: Output: profile.parquet.
    """

    subset: str
    summary: Path
    kept: Path
    tests: Mapping[str, Path]
    certificate: Path
    nearest: Path
    profile: Path

    def of(self, subset: str, test_sets: Sequence[str]) -> "Certification":
        """Return the files of the certification of another subset."""
        tests = next(iter(self.tests.values()))
        return Certification(
            subset,
            beside(self.summary, 0, subset),
            beside(self.kept, 0, subset),
            {name: beside(tests, 1, name) for name in test_sets},
            beside(self.certificate, 0, subset),
            beside(self.nearest, 0, subset),
            beside(self.profile, 0, subset),
        )

    @property
    def outputs(self) -> tuple[Path, Path, Path]:
        """The output files if the certificate holds, the certificate last."""
        return (self.nearest, self.profile, self.certificate)

    @property
    def violated(self) -> tuple[Path, Path, Path]:
        """The output files if it is violated: under other names nothing trains on the subset."""
        nearest, profile, certificate = (
            path.with_suffix(f".violated{path.suffix}") for path in self.outputs
        )
        return (nearest, profile, certificate)

    def declared(self, images: int) -> dict[str, Any]:
        """Read what the summary declares, and check that it fits the other files.

        Args:
            images: Number of images of the reference.
        """
        keys = ["subset", "method", "test_sets", "rank", "offset", "embedder"]
        declared = read_object(self.summary, keys)
        if declared["subset"] != self.subset:
            raise InputError(
                f"{self.summary}: is about the subset {declared['subset']}, expected {self.subset}."
            )
        absent = set(declared["test_sets"]) - set(self.tests)
        if absent and is_matched(declared):
            raise InputError(
                f"{self.summary}: {self.subset} is matched to {', '.join(sorted(absent))}, of "
                "which --tests gives no embeddings; add them."
            )
        if is_matched(declared) and images < declared["rank"]:
            raise InputError(
                f"the reference holds {images} images, too few to match rank {declared['rank']}; "
                f"lower the rank of {self.subset}."
            )
        return declared


@dataclass(frozen=True)
class CertificateRequest(Request):
    """A certificate that a job wants; where it goes depends on whether it is violated.

    Attributes:
        files: Its files.
        images: Number of images of the reference.
    """

    files: Certification
    images: int

    def due(self) -> bool:
        """Return whether it can be computed and is not there."""
        try:
            return super().due() and bool(self.files.declared(self.images))
        except InputError:
            return False  # what is wrong with another subset is for its own job to tell

    def places(self, waiting: Path) -> tuple[Path, ...]:
        """Return where its files go, which wait in a folder."""
        found = read_object(waiting / self.files.certificate.name, ["violations"])
        return self.files.violated if found["violations"] else self.files.outputs


def is_matched(declared: Mapping[str, Any]) -> bool:
    """Return whether a subset promises a threshold."""
    return bool(declared["method"] == "gap_match")


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
        certifications = [one.files for one, _ in wanted]
        declared = {one.subset: one.declared(images) for one in certifications}
        ranks = max(one["rank"] or 1 for one in declared.values())
        measured = _measure(certifications, ranks, pool_files, reference_files, device, threads)
        for one, outputs in wanted:
            _write(declared[one.name], measured[one.name], outputs)

    for path in own.violated:
        path.unlink(missing_ok=True)
    others = [request(own.of(other, names)) for other, names in measured_against.items()]
    share_pass(state, request(own), others, "", compute)
    _refuse_violation(own)


def _measure(
    certifications: Sequence[Certification],
    ranks: int,
    pool_files: Sequence[EmbeddedChunk],
    reference_files: Sequence[EmbeddedChunk],
    device: Device,
    threads: int,
) -> dict[str, dict[str, "Profile"]]:
    """Measure the test sets of some subsets, in one pass over reference and pool."""
    # Imported here because a job that only fetches its certificate does not need torch.
    import torch

    from gapmatch.models.weights import choose_device
    from gapmatch.subset import certificate

    torch.set_num_threads(threads)
    tests = {name: path for one in certifications for name, path in one.tests.items()}
    for path in tests.values():
        open_embeddings(path)
    place = choose_device(device).type
    return certificate.profiles(
        tests,
        {one.subset: list(one.tests) for one in certifications},
        _chunks(reference_files, []),
        _chunks(pool_files, certifications),
        ranks,
        certificate.BLOCK_ROWS[place],
        place,
    )


def _chunks(
    chunks: Sequence[EmbeddedChunk], certifications: Sequence[Certification]
) -> list["Chunk"]:
    """Return embedding files, and what subsets keep of each; without subsets, all of it."""
    from gapmatch.subset.certificate import REFERENCE, Chunk

    def kept(files: EmbeddedChunk, rows: int) -> dict[str, npt.NDArray[np.bool_]]:
        if not certifications:
            return {REFERENCE: np.ones(rows, dtype=np.bool_)}
        masks = {one.subset: np.zeros(rows, dtype=np.bool_) for one in certifications}
        for one in certifications:
            masks[one.subset][read_kept(one.kept, files.chunk, rows)] = True
        return masks

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
