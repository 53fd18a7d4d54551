"""A small study of embedding files, and ways to run the programs on it."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import assign_clusters
import certify_subset
import cluster_embeddings
import collect_duplicates
import drop_duplicates
import search_pool
import search_reference
import select_subset
from gapmatch.data.embedding_files import embedding_path, metadata_path, write_embeddings
from gapmatch.running.command_line import call

TESTS = {"sketch": 12, "val": 7}
BLOCK = ("--block-rows", 9, "--threads", 1)
SIZES = (20, 0, 33, 7)


@dataclass
class Study:
    """A small study in a folder, and ways to run its programs."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    chunks: tuple[str, ...]
    vectors: dict[str, np.ndarray]

    def run(self, program, *arguments):
        words = [str(word) for word in arguments]
        if program is select_subset:  # its first word is the method
            function = import_module(f"{select_subset.PACKAGE}.{words.pop(0)}").select
        else:
            function = getattr(program, program.__name__)
        self.monkeypatch.setattr("sys.argv", [program.__name__, *words])
        # Not `run`: the errors themselves are looked at.
        call(function)

    def write(self, dataset, parts):
        for index, part in enumerate(parts):
            chunk = f"{index:05}"
            folder = self.root / "embeddings" / dataset
            write_embeddings(embedding_path(folder, chunk), part)
            keys = [f"{chunk}{row:04}" for row in range(len(part))]
            path = metadata_path(folder, chunk)
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pl.DataFrame(
                {"image_path": keys, "shard": ["00000.tar"] * len(part)},
                schema={"image_path": pl.String, "shard": pl.String},
            )
            table.write_parquet(path)

    def tests(self, name):
        return embedding_path(self.root / "embeddings" / name, "00000")

    def search(self, engine="fused"):
        common = ("--engine", engine, "--device", "cpu", *BLOCK)
        folders = [self.root / "similarity" / name for name in TESTS]
        references = [folder / "reference_neighbours.parquet" for folder in folders]
        for name, out in zip(TESTS, references, strict=True):
            self.run(
                search_reference,
                *("--tests", self.tests(name), "--reference", self.root / "embeddings/reference"),
                *("--chunks", "00001", "00000", "--k", 5, *common, "--out", out),
            )
        for chunk in self.chunks:
            for name, folder, reference in zip(TESTS, folders, references, strict=True):
                neighbours = folder / f"pool_neighbours/pool_neighbours_{chunk}.parquet"
                self.run(
                    search_pool,
                    *("--pool", embedding_path(self.root / "embeddings/pool", chunk)),
                    *("--chunk", chunk, "--tests", self.tests(name), "--ranks", 1, 5),
                    *("--k", 8, *common, "--reference-neighbours", reference),
                    *("--margins", folder / f"margins/margins_{chunk}.parquet"),
                    *("--neighbours", neighbours),
                )

    @property
    def pool(self):
        """The pool, as options of programs."""
        return ("--embeddings", self.root / "embeddings/pool", "--chunks", *self.chunks)

    def cluster(self, use, clusters):
        folder = self.root / use
        self.run(
            cluster_embeddings,
            *(*self.pool, "--clusters", clusters, "--iterations", 5),
            *("--max-training-samples", 50, "--seed", 0, "--threads", 1),
            *("--out", folder / "centroids.npy"),
        )
        for chunk in self.chunks:
            self.run(
                assign_clusters,
                *("--img-emb", embedding_path(self.root / "embeddings/pool", chunk)),
                *("--centroids", folder / "centroids.npy", *BLOCK),
                *("--out", folder / "clusters" / f"clusters_{chunk}.parquet"),
            )

    def deduplicate(self, parts=1):
        pool, folder = self.pool, self.root / "deduplication"
        self.cluster("deduplication", 3)
        dropped = [folder / "dropped" / f"dropped_{part}.parquet" for part in range(parts)]
        for part, out in enumerate(dropped):
            self.run(
                drop_duplicates,
                *(*pool, "--centroids", folder / "centroids.npy", "--threads", 1),
                *("--clusters", folder / "clusters", "--threshold", 0.95),
                *("--part", part, "--parts", parts, "--out", out),
            )
        self.run(
            collect_duplicates,
            *(*pool, "--parts", *dropped, "--threshold", 0.95, "--out", folder / "duplicates"),
            *("--summary", folder / "summary.json"),
        )

    def select(self, subset, method, *more, duplicates=True):
        folder = self.root / "subsets" / subset
        if method in ("gap_match", "near", "far"):
            more = ("--similarity", self.root / "similarity", "--test-sets", *TESTS, *more)
        if duplicates:
            more = ("--duplicates", self.root / "deduplication/duplicates", *more)
        self.run(
            select_subset,
            *(method, "--subset", subset, "--embedder", "tiny"),
            *(*self.pool, *more, "--out", folder / "kept", "--summary", folder / "summary.json"),
        )
        return json.loads((folder / "summary.json").read_text())

    def certify(self, subset, also=()):
        folder = self.root / "subsets" / subset
        pairs = [word for other in also for name in TESTS for word in (other, name)]
        self.run(
            certify_subset,
            *("--subset", subset, "--summary", folder / "summary.json", "--kept", folder / "kept"),
            *("--chunks", *self.chunks, "--pool", self.root / "embeddings/pool"),
            *("--reference", self.root / "embeddings/reference"),
            *("--reference-chunks", "00000", "00001"),
            *("--tests", *(word for name in TESTS for word in (name, self.tests(name)))),
            *("--device", "cpu"),
            *("--threads", 1, "--out", folder / "certificate.json"),
            *("--nearest", folder / "nearest.parquet", "--profile", folder / "profile.parquet"),
            *(("--also", *pairs) if pairs else ()),
            *("--state", self.root / "state/certify_subset"),
        )
        return json.loads((folder / "certificate.json").read_text())

    def kept(self, subset):
        """Rows of the whole pool that a subset keeps."""
        folder = self.root / "subsets" / subset / "kept"
        starts = np.cumsum([0, *self.sizes])
        parts = [
            start + pl.read_parquet(folder / f"kept_{chunk}.parquet")["row"].to_numpy()
            for start, chunk in zip(starts, self.chunks, strict=False)
        ]
        return np.concatenate(parts)

    @property
    def sizes(self):
        pool = self.root / "embeddings/pool"
        return [len(np.load(embedding_path(pool, chunk))) for chunk in self.chunks]
