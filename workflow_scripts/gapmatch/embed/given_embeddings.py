"""Embeddings that exist already, in clip-retrieval's layout, found by the keys of samples.

They may be cut into files in another way, hold other samples too and come in another order.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.data.chunks import Chunk
from gapmatch.data.embedding_files import embedding_path, metadata_path, normalised, open_embeddings
from gapmatch.data.image_stream import image_batches
from gapmatch.data.samples import Use, describe_shard
from gapmatch.embed.batch_encoder import BatchEncoder
from gapmatch.embed.embedding import METADATA_SCHEMA
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import count_rows, read_columns

CHECKED = 32
LEAST_COSINE = 0.95
"""Of a given embedding with the model's own, in the median. Precision, another decoder or another
resampling cost some thousandths; another model has nothing to do with it."""


@dataclass(frozen=True)
class GivenFile:
    """A file of given embeddings and the metadata that says whose they are."""

    embeddings: Path
    metadata: Path


@dataclass(frozen=True)
class Places:
    """Where the embeddings of samples are.

    Attributes:
        file: (samples,), which of the files; -1 where no file has the sample.
        row: (samples,), row in that file.
    """

    file: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which samples have an embedding."""
        return self.file >= 0


def given_files(folder: Path) -> list[GivenFile]:
    """Return the files of a folder, in the order of their numbers.

    Raises:
        InputError: There is none, or an embedding file lacks its metadata.
    """
    names = [re.fullmatch(r"img_emb_(\d+)\.npy", path.name) for path in folder.glob("img_emb/*")]
    numbers = sorted((match[1] for match in names if match), key=int)
    if not numbers:
        raise InputError(f"{folder} holds no img_emb/img_emb_<number>.npy: expected embeddings")
    files = [GivenFile(embedding_path(folder, n), metadata_path(folder, n)) for n in numbers]
    lacking = [file.metadata for file in files if not file.metadata.is_file()]
    if lacking:
        raise InputError(
            f"{lacking[0]} does not exist ({len(lacking)} of {len(files)} are missing): expected "
            "the keys of the embeddings beside them, in a column image_path"
        )
    return files


def find(files: Sequence[GivenFile], keys: pl.Series) -> Places:
    """Find the embeddings of samples by their keys.

    Raises:
        InputError: A key stands twice among the samples or in the files, a file is damaged, or
            embeddings and metadata differ in length.
    """
    if keys.n_unique() < len(keys):
        raise InputError(
            f"the key {keys.filter(keys.is_duplicated())[0]!r} stands twice in the chunk: given "
            "embeddings are found by key; embed this pool instead"
        )
    wanted = pl.DataFrame({"image_path": keys}).with_row_index("sample")
    places = Places(np.full(len(keys), -1), np.full(len(keys), -1))
    for number, file in enumerate(tqdm(files, unit="file", mininterval=5, desc="keys")):
        rows = len(open_embeddings(file.embeddings))
        if count_rows(file.metadata) != rows:
            raise InputError(
                f"{file.metadata} has {count_rows(file.metadata)} rows but {file.embeddings} has "
                f"{rows}: expected a row for each embedding"
            )
        known = read_columns(file.metadata, ["image_path"]).with_row_index("row")
        hits = known.with_columns(pl.col("image_path").cast(pl.String)).join(
            wanted, on="image_path", how="inner"
        )
        samples = hits["sample"].to_numpy()
        if hits["sample"].is_duplicated().any() or (places.file[samples] >= 0).any():
            raise InputError(f"{file.metadata} has a key that stands twice in the given files")
        places.file[samples] = number
        places.row[samples] = hits["row"].to_numpy()
    return places


def write_given(path: Path, files: Sequence[GivenFile], places: Places) -> None:
    """Write the embeddings of the samples that have one, in their order, normalised, atomically.

    Raises:
        InputError: Files differ in dimension, or a vector is zero or not finite.
    """
    found = np.flatnonzero(places.found)
    dim = open_embeddings(files[0].embeddings).shape[1]
    with atomic_path(path) as temporary:
        vectors = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=np.float16, shape=(len(found), dim)
        )
        for number in np.unique(places.file[found]):
            stored = open_embeddings(files[number].embeddings)
            if stored.shape[1] != dim:
                raise InputError(
                    f"{files[number].embeddings} has {stored.shape[1]} dimensions but "
                    f"{files[0].embeddings} has {dim}: expected files of one embedder"
                )
            here = places.file[found] == number
            rows = places.row[found][here]
            vectors[here] = normalised(stored[rows], files[number].embeddings)
        vectors.flush()


@torch.no_grad()
def require_same_model(
    chunk: Chunk,
    keys: pl.Series,
    files: Sequence[GivenFile],
    places: Places,
    encoder: ImageEncoder,
) -> None:
    """Check that given embeddings are the model's, on the first samples of the chunk.

    Args:
        chunk: The chunk.
        keys: Keys of its samples whose embeddings are looked for, in order.
        files: The given files.
        places: Where the embeddings of ``keys`` are.
        encoder: The model.

    Raises:
        InputError: They are of another model.
    """
    batches = image_batches(
        [chunk.shards[0].path], encoder.preprocessing.read, CHECKED, workers=0, use=Use.TRAINING
    )
    samples, pixels = next(batches)
    known = {key: place for place, key in enumerate(keys.head(CHECKED)) if places.found[place]}
    read = [sample.image_path for sample in samples if sample.reason is None]
    chosen = [order for order, key in enumerate(read) if key in known]
    if not chosen:
        return
    encoding = BatchEncoder(encoder, len(chosen))
    encoding.add(pixels[chosen])
    own = encoding.fetch(encoding.encode())
    checked = [known[read[order]] for order in chosen]
    given = np.stack(
        [
            open_embeddings(files[places.file[place]].embeddings)[places.row[place]]
            for place in checked
        ]
    )
    expected = f"expected those of {encoder.name}, of the pool's images"
    if given.shape[1] != own.shape[1]:
        raise InputError(
            f"{files[0].embeddings} has {given.shape[1]} dimensions, not {own.shape[1]}: {expected}"
        )
    products = normalised(given, files[0].embeddings) * normalised(own, encoder.name)
    cosines = products.sum(axis=1, dtype=np.float64)
    if np.median(cosines) < LEAST_COSINE:
        raise InputError(
            f"{files[0].embeddings} and its neighbours hold embeddings of another model or of "
            f"other images (median cosine {np.median(cosines):.2f} over {len(chosen)} samples): "
            f"{expected}"
        )


def describe(chunk: Chunk) -> pl.DataFrame:
    """Return what is known of a chunk's samples, in order: METADATA_SCHEMA and reason."""
    rows = []
    with tqdm(total=chunk.samples, unit="sample", mininterval=5, desc="samples") as bar:
        for shard in chunk.shards:
            found = [asdict(sample) for sample in describe_shard(shard.path, Use.TRAINING)]
            if len(found) != shard.samples:
                raise InputError(
                    f"{shard.path} holds {len(found)} samples, its chunk.json says "
                    f"{shard.samples}: the shard changed after it was listed"
                )
            rows.append(pl.DataFrame(found, schema={**METADATA_SCHEMA, "reason": pl.String}))
            bar.update(len(found))
    return pl.concat(rows)
