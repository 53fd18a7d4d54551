"""Make a small, consistent results folder in the formats that tables and figures read.

Everything follows from random embeddings by the definitions of the study, computed in NumPy:
neighbours, kept rows, nearest similarities, certificates. Predictions are random, and likelier
to be right the nearer the training set comes to the test image.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from gapmatch.results.pictures import ImageFiles

DIM = 12
CLASSES = ("cat", "dog <i>", "fox & hen", "owl_2", "bee", "ant")
TEST_CLASSES = CLASSES[:4]
STYLES = ("colour", "line", "photo")
TESTS = {"val": 60, "sketch": 80, "rendition": 40}
CHUNK_ROWS = {"pool": (150, 110), "reference": (70,), **{name: (n,) for name, n in TESTS.items()}}
SUBSETS = {
    "baseline": ("all", ()),
    "reference_only": ("none", ()),
    "sketch_pruned": ("gap_match", ("sketch",)),
    "combined_pruned": ("gap_match", tuple(TESTS)),
    "near_sketch_50": ("near", ("sketch",)),
    "near_sketch_25": ("near", ("sketch",)),
    "far_sketch_50": ("far", ("sketch",)),
    "far_sketch_25": ("far", ("sketch",)),
    "random_50": ("random", ()),
    "random_25": ("random", ()),
}
SEEDS = {"baseline": (0, 1), "reference_only": (0, 1)}
DUPLICATES = 9
FAILED = 4


def make_results(root: Path) -> Path:
    """Fill ``root`` and return it."""
    generator = np.random.default_rng(7)
    vectors = {name: _make_dataset(root, name, generator) for name in CHUNK_ROWS}
    pool = np.ones(len(vectors["pool"]), bool)
    pool[generator.choice(len(pool), DUPLICATES, replace=False)] = False
    scores = {name: vectors[name] @ vectors["pool"].T for name in TESTS}
    references = {name: vectors[name] @ vectors["reference"].T for name in TESTS}
    for name in TESTS:
        folder = root / "similarity/e" / name
        folder.mkdir(parents=True)
        _neighbours(references[name], "reference").write_parquet(
            folder / "reference_neighbours.parquet"
        )
        _neighbours(scores[name], "pool").write_parquet(folder / "pool_neighbours.parquet")
    for name in SUBSETS:
        kept = _kept(name, pool, scores, references, generator)
        _write_subset(root, name, pool, kept, scores, references)
        for seed in SEEDS.get(name, (0,)):
            for test in TESTS:
                nearest = np.maximum(
                    scores[test][:, kept].max(axis=1, initial=-1), references[test].max(axis=1)
                )
                _write_evaluation(root, name, seed, test, nearest, generator)
    (root / "config.json").write_text(json.dumps({"study": "made", "id_test_set": "val"}))
    return root


def _make_dataset(root: Path, name: str, generator: np.random.Generator) -> np.ndarray:
    centres = np.random.default_rng(1).normal(size=(len(CLASSES), DIM))
    shifts = np.random.default_rng(2).normal(size=(len(STYLES), DIM))
    parts = []
    for index, rows in enumerate(CHUNK_ROWS[name]):
        classes = generator.integers(len(TEST_CLASSES if name in TESTS else CLASSES), size=rows)
        styles = generator.integers(len(STYLES), size=rows)
        if name == "sketch":
            styles[:] = 1
        if name in ("reference", "val"):
            styles[:] = np.where(generator.random(rows) < 0.9, 2, styles)
        noise = generator.normal(size=(rows, DIM))
        vector = centres[classes] + shifts[styles] + 0.5 * noise
        parts.append(vector / np.linalg.norm(vector, axis=1, keepdims=True))
        table = pl.DataFrame(
            {
                "image_path": [f"{row:09d}" for row in range(rows)],
                "shard": ["00000.tar" if row < rows // 2 else "00001.tar" for row in range(rows)],
                "caption": [f"a {CLASSES[c]}" for c in classes],
                "label": classes.astype(np.int32),
                "class_name": [CLASSES[c] for c in classes],
                "style": [STYLES[s] for s in styles],
            }
        )
        _write_chunk(root, name, f"{index:05d}", table)
    return np.concatenate(parts)


def _write_chunk(root: Path, name: str, chunk: str, table: pl.DataFrame) -> None:
    metadata = root / "embeddings/e" / name / "metadata"
    rejected = root / "embeddings/e" / name / "rejected"
    data = root / "data" / name / chunk
    for folder in (metadata, rejected, data):
        folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(metadata / f"metadata_{chunk}.parquet")
    columns = {"image_path": ["x"], "shard": ["00000.tar"], "reason": ["cannot be decoded"]}
    pl.DataFrame(columns).write_parquet(rejected / f"rejected_{chunk}.parquet")
    shards = []
    for (shard,), rows in table.group_by("shard", maintain_order=True):
        with tarfile.open(data / str(shard), "w") as archive:
            for row in rows.iter_rows(named=True):
                _add(archive, f"{row['image_path']}.txt", row["caption"].encode())
                _add(archive, f"{row['image_path']}.jpg", _picture(row, name))
            if not shards:
                _add(archive, "x.jpg", b"not a picture: rejected")
        shards.append({"path": shard, "samples": rows.height + (not shards)})
    samples = table.height + 1  # one rejected
    described = {
        "dataset": name,
        "chunk": chunk,
        "shards": shards,
        "samples": samples,
        "urls": samples + FAILED,
        "failed": FAILED,
        "classes": {"pool": None, "reference": list(CLASSES)}.get(name, list(TEST_CLASSES)),
    }
    (data / "chunk.json").write_text(json.dumps(described))


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _picture(row: dict[str, object], name: str) -> bytes:
    hue = 40 * CLASSES.index(str(row["class_name"]))
    size = (48, 32) if row["style"] == "line" else (40, 40)
    colour = (hue, 90 * STYLES.index(str(row["style"])), 60 if name == "pool" else 200)
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def _neighbours(scores: np.ndarray, dataset: str, count: int = 8) -> pl.DataFrame:
    first_rows = np.cumsum([0, *CHUNK_ROWS[dataset]])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    place = np.searchsorted(first_rows, order, side="right") - 1
    return pl.DataFrame(
        {
            "test_row": np.repeat(np.arange(len(scores), dtype=np.int32), count),
            "rank": np.tile(np.arange(1, count + 1, dtype=np.int32), len(scores)),
            "similarity": np.take_along_axis(scores, order, 1).ravel().astype(np.float64),
            "chunk": [f"{chunk:05d}" for chunk in place.ravel()],
            "row": (order - first_rows[place]).ravel().astype(np.int32),
        }
    )


def _kept(name, pool, scores, references, generator) -> np.ndarray:
    method, tests = SUBSETS[name]
    if method in ("all", "none"):
        return pool & (method == "all")
    if method == "gap_match":
        above = [(scores[t] > references[t].max(axis=1)[:, None]).any(axis=0) for t in tests]
        return pool & ~np.any(above, axis=0)
    near = scores["sketch"].max(axis=0)
    rank = {"near": near, "far": -near, "random": generator.random(len(pool))}[method]
    rank = np.where(pool, rank, np.inf)
    kept = np.zeros(len(pool), bool)
    kept[np.argsort(rank)[: int(pool.sum() * int(name[-2:]) / 100)]] = True
    return kept


def _write_subset(root, name, pool, kept, scores, references) -> None:
    method, tests = SUBSETS[name]
    folder = root / "subsets" / name
    (folder / "kept").mkdir(parents=True)
    start = 0
    for index, rows in enumerate(CHUNK_ROWS["pool"]):
        here = np.flatnonzero(kept[start : start + rows]).astype(np.int32)
        pl.DataFrame({"row": here}).write_parquet(folder / f"kept/kept_{index:05d}.parquet")
        start += rows
    pruned = int(pool.sum() - kept.sum())
    summary = {
        "subset": name,
        "method": method,
        "test_sets": list(tests),
        "rank": 1 if method == "gap_match" else None,
        "offset": 0.0 if method == "gap_match" else None,
        "seed": 0,
        "embedder": "e",
        "embedded": len(pool),
        "duplicates": DUPLICATES,
        "pool": int(pool.sum()),
        "kept": int(kept.sum()),
        "pruned": pruned,
        "pruned_by": {method: pruned} if pruned else {},
        "settings": {},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    nearest = pl.concat(
        pl.DataFrame(
            {
                "test_set": test,
                "test_row": np.arange(TESTS[test], dtype=np.int32),
                "reference_similarity": references[test].max(axis=1).astype(np.float32),
                "pool_similarity": (
                    scores[test][:, kept].max(axis=1).astype(np.float32)
                    if kept.any()
                    else np.full(TESTS[test], np.nan, np.float32)
                ),
            }
        )
        for test in TESTS
    )
    nearest.write_parquet(folder / "nearest.parquet")
    if method == "gap_match":
        images = sum(TESTS[test] for test in tests)
        each = {t: {"test_images": TESTS[t], "violations": 0, "max_excess": 0.0} for t in tests}
        certificate = {"subset": name, "embedder": "e", "rank": 1, "offset": 0.0}
        certificate |= {"tolerance": 1e-5, "test_images": images, "violations": 0}
        certificate |= {"max_excess": 0.0, "test_sets": each}
        (folder / "certificate.json").write_text(json.dumps(certificate))


def _write_evaluation(root, name, seed, test, nearest, generator) -> None:
    folder = root / "evaluations" / name / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    n = len(nearest)
    chance = np.clip(0.15 + 2.5 * (nearest - 0.65), 0.05, 0.95)
    correct = generator.random(n) < chance
    metadata = root / "embeddings/e" / test / "metadata/metadata_00000.parquet"
    label = pl.read_parquet(metadata)["label"].to_numpy()  # the same for all models
    pl.DataFrame(
        {
            "test_row": np.arange(n, dtype=np.int32),
            "image_path": [f"{row:09d}" for row in range(n)],
            "label": label,
            "predicted": np.where(correct, label, (label + 1) % 4).astype(np.int32),
            "correct_top1": correct,
            "correct_top5": correct | (generator.random(n) < 0.5),
        }
    ).write_parquet(folder / f"{test}.parquet")
    top1 = float(correct.mean())
    summary = {"training_set": name, "seed": seed, "test_set": test, "n": n, "top1": top1}
    summary |= {"top5": min(1.0, top1 + 0.2), "mean_per_class": top1, "classes": 4}
    (folder / f"{test}.json").write_text(json.dumps(summary))


def made_sources(results: Path) -> dict[str, ImageFiles]:
    """Return where the images of a made study lie."""
    return {
        name: ImageFiles(
            sorted(results.glob(f"data/{dataset}/*/chunk.json")),
            sorted(results.glob(f"embeddings/e/{dataset}/metadata/*.parquet")),
        )
        for name, dataset in (("test", "sketch"), ("pool", "pool"), ("reference", "reference"))
    }


def robustness_rows(values: list[tuple[str, int, float, float]]) -> pl.DataFrame:
    """Return rows of an accuracy table: training set, seed, accuracy on val and on sketch."""
    return pl.DataFrame(
        [
            {
                "training_set": name, "seed": seed, "test_set": test, "n": 1000, "metric": "top1",
                "score": top1, "score_low": top1 - 0.01, "score_high": top1 + 0.01,
                "chance": 0.1, "one_class": 0.1,
            }
            for name, seed, inside, outside in values
            for test, top1 in (("val", inside), ("sketch", outside))
        ]
    )  # fmt: skip


def evaluation_files(results: Path) -> list[Path]:
    """Return the evaluations of a made study, the later seed first."""
    return [
        path
        for name in SUBSETS
        for path in sorted(results.glob(f"evaluations/{name}/*/*.json"), reverse=True)
    ]
