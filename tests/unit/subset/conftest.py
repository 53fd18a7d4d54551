"""A small study whose subsets are selected and certified."""

import numpy as np
import oracle
import pytest
from made_embeddings import SIZES, TESTS, Study


@pytest.fixture
def make_study(tmp_path_factory, monkeypatch):
    def make(sizes=SIZES):
        rng = np.random.default_rng(5)
        total = sum(sizes)
        vectors = {"reference": oracle.unit_vectors(rng, 15, 6)}
        vectors |= {name: oracle.unit_vectors(rng, count, 6) for name, count in TESTS.items()}
        pool = oracle.unit_vectors(rng, total, 6)
        pool[5:12] = vectors["reference"][:7]
        pool[30:36] = pool[:6]
        vectors["pool"] = pool
        chunks = tuple(f"{index:05}" for index in range(len(sizes)))
        study = Study(tmp_path_factory.mktemp("study"), monkeypatch, chunks, vectors)
        study.write("reference", np.split(vectors["reference"], [4]))
        study.write("pool", np.split(pool, np.cumsum(sizes)[:-1]))
        for name in TESTS:
            study.write(name, [vectors[name]])
        # What is on disk was normalised and rounded once more.
        for name in ("reference", "pool", *TESTS):
            folder = study.root / "embeddings" / name / "img_emb"
            vectors[name] = np.concatenate([np.load(path) for path in sorted(folder.iterdir())])
        return study

    return make
