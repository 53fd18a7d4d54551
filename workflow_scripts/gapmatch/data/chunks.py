"""A dataset is numbered chunks; a chunk is a folder of webdataset shards with a chunk.json."""

import json
from dataclasses import dataclass
from pathlib import Path

from gapmatch.running.atomic import write_json
from gapmatch.running.errors import InputError

MANIFEST = "chunk.json"
TEST_CHUNK = "00000"
"""A test set is one chunk."""


@dataclass(frozen=True)
class Shard:
    """One tar file.

    Attributes:
        path: Where the tar lies.
        samples: Number of samples in it.
        size: Bytes that it had when it was listed; None for shards that the workflow wrote.
    """

    path: Path
    samples: int
    size: int | None = None


@dataclass(frozen=True)
class Chunk:
    """The content of a chunk.json.

    Attributes:
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        shards: The tars, in the order of their names.
        samples: Number of samples in all of them.
        classes: Class names by label; empty for unlabelled datasets.
        imagenet_indices: By label, the indices of the ImageNet classes that the class is; empty
            for datasets that are none of ImageNet's.
        templates: Prompt templates that the dataset ships, {} for the class name; mostly empty.
        urls: How many links or files the samples were made from; None is as many as samples.
    """

    dataset: str
    chunk: str
    shards: tuple[Shard, ...]
    samples: int
    classes: tuple[str, ...]
    imagenet_indices: tuple[tuple[int, ...], ...] = ()
    templates: tuple[str, ...] = ()
    urls: int | None = None

    @property
    def failed(self) -> int:
        """How many links or files became no sample."""
        return 0 if self.urls is None else self.urls - self.samples


def share(total: int, chunk: int, chunks: int) -> slice:
    """Return the slice of a chunk: floor(n c / chunks) to floor(n (c + 1) / chunks) of n.

    Args:
        total: How many there are, n.
        chunk: Number of the chunk, c, from 0.
        chunks: Number of chunks.
    """
    return slice(total * chunk // chunks, total * (chunk + 1) // chunks)


def read_chunk(folder: Path) -> Chunk:
    """Read the manifest of a chunk.

    Raises:
        InputError: The folder has no chunk.json, or it is not one.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        shards = tuple(
            # An absolute path stays as it is: shards that are read in place.
            Shard(folder / shard["path"], int(shard["samples"]), shard.get("size"))
            for shard in values["shards"]
        )
        return Chunk(
            dataset=values["dataset"],
            chunk=values["chunk"],
            shards=shards,
            samples=int(values["samples"]),
            classes=tuple(values.get("classes") or ()),
            imagenet_indices=tuple(
                tuple(int(index) for index in indices)
                for indices in values.get("imagenet_indices") or ()
            ),
            templates=tuple(values.get("templates") or ()),
            urls=int(values["urls"]),
        )
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: expected the manifest of a chunk; run its download again"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not the manifest of a chunk: {error!r}") from None


def require_unchanged(chunk: Chunk) -> None:
    """Refuse shards that are not what they were when they were listed, as far as their size tells.

    They lie where others may change them, and Snakemake does not look at them.

    Raises:
        InputError: A shard has another size, or is gone.
    """
    for shard in chunk.shards:
        if shard.size is None:
            continue
        try:
            size = shard.path.stat().st_size
        except OSError as error:
            raise InputError(f"{shard.path} cannot be read: {error.strerror}") from error
        if size != shard.size:
            raise InputError(
                f"{shard.path} has {size} bytes; it had {shard.size} when it was listed. To use it "
                "as it is now, add --forcerun ingest_KIND to your command, KIND as in its source "
                "(such as ingest_shards)"
            )


def write_chunk(folder: Path, chunk: Chunk) -> None:
    """Write the manifest of a chunk; it is the last file of its folder.

    Args:
        folder: The chunk's folder.
        chunk: Its content; paths of shards are relative to the folder, or absolute.
    """
    values = {
        "dataset": chunk.dataset,
        "chunk": chunk.chunk,
        "shards": [
            {"path": str(shard.path), "samples": shard.samples}
            | ({"size": shard.size} if shard.size is not None else {})
            for shard in chunk.shards
        ],
        "samples": chunk.samples,
        "urls": chunk.samples if chunk.urls is None else chunk.urls,
        "failed": chunk.failed,
        "classes": list(chunk.classes) or None,
    }
    if chunk.imagenet_indices:
        values["imagenet_indices"] = chunk.imagenet_indices
    if chunk.templates:
        values["templates"] = chunk.templates
    write_json(folder / MANIFEST, values)
