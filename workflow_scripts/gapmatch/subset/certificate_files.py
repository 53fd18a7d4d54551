"""The files of a subset's certificate: those that it depends on, and where it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_object
from gapmatch.running.shared_pass import Request, beside


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
        """Return whether it can be computed and is not there, neither whole nor violated."""
        try:
            self.files.declared(self.images)
        except InputError:
            return False  # what is wrong with another subset is for its own job to tell
        return super().due() and not self.is_newer(self.files.violated)

    def places(self, waiting: Path) -> tuple[Path, ...]:
        """Return where its files go, which wait in a folder."""
        found = read_object(waiting / self.files.certificate.name, ["violations"])
        return self.files.violated if found["violations"] else self.files.outputs


def is_matched(declared: Mapping[str, Any]) -> bool:
    """Return whether a subset promises a threshold."""
    return bool(declared["method"] == "gap_match")
