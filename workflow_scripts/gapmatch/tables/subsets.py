"""The table of subsets: each is a training set together with its share of the reference."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import polars as pl

from gapmatch.results.counts import count_samples
from gapmatch.results.shown import Needs, Table
from gapmatch.results.summaries import Subset, read_certificates, read_subsets
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.errors import InputError
from gapmatch.subset.keys import samples_to_keep
from gapmatch.subset.method import methods

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "subset": pl.String,
    "method": pl.String,
    "test_sets": pl.String,
    "rank": pl.Int64,
    "offset": pl.Float64,
    "settings": pl.String,
    "seed": pl.Int64,
    "embedder": pl.String,
    "pool": pl.Int64,
    "kept": pl.Int64,
    "pruned": pl.Int64,
    "pruned_fraction": pl.Float64,
    "reference": pl.Int64,
    "training_set_size": pl.Int64,
    "violations": pl.Int64,
    "max_excess": pl.Float64,
}
SEPARATOR = ", "


@dataclass(frozen=True)
class TrainingSet:
    """A row of the table: how a subset was declared, and how large its training set is.

    Attributes:
        subset: Its name.
        method: How it was selected.
        test_sets: What it was selected against.
        rank: Matched rank; None but for gap matching.
        offset: Of the threshold; None but for gap matching.
        embedder: Whose similarity selected it.
        pool: Samples to choose from.
        kept: Of those, how many are trained on.
        pruned: And how many are not.
        reference: Images of the reference that are trained on.
        settings: Keys of its method alone.
    """

    subset: str
    method: str
    test_sets: tuple[str, ...]
    rank: int | None
    offset: float | None
    embedder: str
    pool: int
    kept: int
    pruned: int
    reference: int
    settings: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Samples of the training set."""
        return self.kept + self.reference

    @property
    def series(self) -> str:
        """The curve it is on in figures: by method, and what steers it."""
        method = methods()[self.method]
        if not method.sized:
            return self.subset
        if method.curve:
            return method.curve.format(**self.settings)
        steered = ", ".join(self.test_sets)
        return f"{self.method}-pruned" + (f" ({steered})" if steered else "")


class Trained(Protocol):
    """What has a share, or a number of images, of the reference that it is trained with."""

    @property
    def reference(self) -> float:
        """The share, or the number of images."""


Subsets = TypeVar("Subsets", bound=Trained)


def with_common_reference(subsets: Iterable[Subsets]) -> list[Subsets]:
    """Return those that are trained with as much of the reference as most of them are."""
    found = list(subsets)
    common = Counter(one.reference for one in found).most_common(1)
    return [one for one in found if one.reference == common[0][0]]


def subset_table(
    subsets: Sequence[Subset],
    certificates: Mapping[str, Mapping[str, Any]],
    reference_samples: int,
    reference_shares: Mapping[str, float],
) -> pl.DataFrame:
    """One row per subset with the columns of ``SCHEMA``.

    rank, offset, violations and max_excess are null where they do not apply.

    Args:
        subsets: Their summaries, in the order of the table.
        certificates: By subset.
        reference_samples: Images of the reference.
        reference_shares: By subset the share of them that is trained on; all where none is named.

    Raises:
        InputError: The counts of a summary do not reconcile.
    """
    rows = []
    for subset in subsets:
        if subset.kept + subset.pruned != subset.pool:
            raise InputError(
                f"subset {subset.subset}: kept {subset.kept} + pruned {subset.pruned} is not the "
                f"pool of {subset.pool}; select it again"
            )
        share = reference_shares.get(subset.subset, 1.0)
        reference = samples_to_keep(share, reference_samples, subset.subset)
        certificate = certificates.get(subset.subset, {})
        matched = subset.method == "gap_match"
        rows.append(
            {
                "subset": subset.subset,
                "method": subset.method,
                "test_sets": SEPARATOR.join(subset.test_sets),
                "rank": subset.rank if matched else None,
                "offset": subset.offset if matched else None,
                "settings": json.dumps(subset.settings, sort_keys=True),
                "seed": subset.seed,
                "embedder": subset.embedder,
                "pool": subset.pool,
                "kept": subset.kept,
                "pruned": subset.pruned,
                "pruned_fraction": subset.pruned / max(subset.pool, 1),
                "reference": reference,
                "training_set_size": subset.kept + reference,
                "violations": certificate.get("violations"),
                "max_excess": certificate.get("max_excess"),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def training_sets(table: pl.DataFrame) -> list[TrainingSet]:
    """Return the rows of ``subset_table``, in its order."""
    fields = list(TrainingSet.__dataclass_fields__)
    rows = []
    for row in table.select(fields).iter_rows(named=True):
        named = tuple(name for name in (row["test_sets"] or "").split(SEPARATOR) if name)
        settings = json.loads(row["settings"])
        rows.append(TrainingSet(**{**row, "test_sets": named, "settings": settings}))
    return rows


def read_training_sets(path: Path) -> list[TrainingSet]:
    """Read the CSV of ``subset_table``, in its order (which is that of legends).

    Raises:
        InputError: The file is missing or is no such table.
    """
    return training_sets(read_csv(path, SCHEMA))


def tabulate(
    *,
    summaries: list[Path],
    certificates: list[Path] | None = None,
    reference_metadata: list[Path],
    reference_shares: list[tuple[str, float]] | None = None,
    out: Path,
) -> None:
    """Write the table of subsets: how each was declared, what it keeps, what its certificate says.

    Args:
        summaries: summary.json of each subset, in the order of the table.
        certificates: certificate.json of each gap-matched subset.
        reference_metadata: Metadata of each chunk of the reference: it is part of every size.
        reference_shares: Subsets that are trained with a part of the reference, and its share.
        out: Path of the table without suffix.
    """
    table = subset_table(
        read_subsets(summaries),
        read_certificates(certificates or ()),
        count_samples(reference_metadata),
        dict(reference_shares or ()),
    )
    write_table(table, out, TABLE.caption, percent_columns=("pruned_fraction",))


def needs(results: Results, _: str) -> Needs:
    """Return the summaries and certificates of all subsets, and the size of the reference."""
    files = {
        "summaries": [results.summary(name) for name in results.subsets],
        "certificates": [results.certificate(name) for name in results.gap_matched],
        "reference_metadata": results.metadata("reference"),
    }
    shares = [(name, results.study.subsets[name].reference) for name in sorted(results.subsets)]
    return Needs(
        inputs=[path for paths in files.values() for path in paths],
        arguments=files,
        settings={"reference_shares": [(name, share) for name, share in shares if share < 1]},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=40,
    caption=(
        "The subsets: how each was declared, how many samples of the pool (after deduplication) "
        "it keeps and prunes, and the size of the training set (kept samples plus the n images of "
        "the reference). For gap-matched subsets, the certificate: the number of test images for "
        "which the training set holds an image more similar than matching allows (violations), "
        "and the largest excess in cosine similarity. All samples are counted, so there are no "
        "intervals."
    ),
)
