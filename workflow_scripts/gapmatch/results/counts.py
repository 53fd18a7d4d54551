"""Counts of every hand-off, from the URLs to the training sets, and whether they reconcile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gapmatch.running.errors import InputError
from gapmatch.running.result_files import count_rows, read_columns
from gapmatch.data.chunks import read_chunk
from gapmatch.results.summaries import Subset


def count_samples(metadata: Sequence[Path]) -> int:
    """Number of embedded samples: rows of the metadata files."""
    return sum(count_rows(path) for path in metadata)


def classes_of(chunk_files: Sequence[Path]) -> set[str]:
    """Names of all classes that the chunk.json files name.

    Raises:
        InputError: A dataset has no class names.
    """
    classes: set[str] = set()
    for path in chunk_files:
        names = read_chunk(path.parent).classes
        if not names:
            raise InputError(f"{path}: names no classes; a test set needs them")
        classes.update(names)
    return classes


@dataclass
class DatasetCounts:
    """Samples of one dataset at each hand-off, summed over its chunks."""

    dataset: str
    urls: int = 0
    failed: int = 0
    downloaded: int = 0
    embedded: int | None = None
    rejected: dict[str, int] = field(default_factory=dict)  # by reason

    @property
    def reconciles(self) -> bool:
        """Whether urls = downloaded + failed and downloaded = embedded + rejected."""
        fetched = self.urls == self.downloaded + self.failed
        if self.embedded is None:
            return fetched
        return fetched and self.downloaded == self.embedded + sum(self.rejected.values())


def count_datasets(
    chunk_files: Sequence[Path], embeddings: Mapping[str, Path]
) -> list[DatasetCounts]:
    """Count each dataset from its chunk.json files and its embeddings folder.

    Args:
        chunk_files: chunk.json of every chunk of every dataset.
        embeddings: Folder with metadata/ and rejected/ by dataset.
    """
    counts: dict[str, DatasetCounts] = {}
    for path in chunk_files:
        chunk = read_chunk(path.parent)
        one = counts.setdefault(chunk.dataset, DatasetCounts(chunk.dataset))
        one.urls += chunk.samples + chunk.failed
        one.failed += chunk.failed
        one.downloaded += chunk.samples
    for dataset, folder in embeddings.items():
        if dataset not in counts:
            raise InputError(f"embeddings of {dataset}, but no chunk.json of it was named")
        one = counts[dataset]
        one.embedded = count_samples(sorted(folder.glob("metadata/metadata_*.parquet")))
        for path in sorted(folder.glob("rejected/rejected_*.parquet")):
            for reason in read_columns(path, ["reason"])["reason"].to_list():
                one.rejected[str(reason)] = one.rejected.get(str(reason), 0) + 1
    return list(counts.values())


def subset_reconciles(subset: Subset) -> bool:
    """Whether embedded = duplicates + pool, pool = kept + pruned, and the reasons add up."""
    return (
        subset.embedded == subset.duplicates + subset.pool
        and subset.pool == subset.kept + subset.pruned
        and subset.pruned == sum(subset.pruned_by.values())
    )
