"""Embeddings that exist already: found by key, checked against the model, nothing lost silently."""

import shutil
from pathlib import Path

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
import yaml
from programs import CLASSES, MODEL, emoji_chunk, program, run
from smoke_study import STUDY, check_out
from smoke_study import run as run_study

from gapmatch.models.weights import save_weights

pytestmark = pytest.mark.workflow

IMAGES = 6 * CLASSES
OUTPUTS = ("img_emb.npy", "metadata.parquet", "rejected.parquet")
MISSING = 3


@pytest.fixture(scope="module")
def chunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images in three shards."""
    return emoji_chunk(tmp_path_factory.mktemp("val"), "val", 6, 16)


def save_model(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    path = folder / f"model{seed}.pt"
    save_weights(path, open_clip.create_model(MODEL, load_weights=False).state_dict())
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"), 0)


def options(chunk: Path, weights: Path, out: Path) -> list[object]:
    return [
        *("--data", chunk, "--model", MODEL, "--checkpoint", weights, "--device", "cpu"),
        *("--img-emb", out / OUTPUTS[0], "--metadata", out / OUTPUTS[1]),
        *("--rejected", out / OUTPUTS[2]),
    ]


@pytest.fixture(scope="module")
def embedded(chunk: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("embedded")
    run(
        program(
            "embed_chunk",
            *options(chunk, weights, out),
            "--use",
            "training",
            "--state",
            out / "state",
        )
    )
    return out


def write_given(folder: Path, embedded: Path) -> list[str]:
    """Write the embeddings in another order into two files with others'; return the keys left out.

    Vectors are longer than 1 and float32, as published ones may be.
    """
    vectors = 3 * np.load(embedded / OUTPUTS[0], allow_pickle=False).astype(np.float32)
    keys = pl.read_parquet(embedded / OUTPUTS[1])["image_path"].to_numpy()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(keys))
    given, left_out = order[MISSING:], order[:MISSING]
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number, part in enumerate(np.array_split(given, 2)):
        others = rng.normal(size=(5, vectors.shape[1])).astype(np.float32)
        names = [f"other{number}{row}" for row in range(5)]
        np.save(folder / f"img_emb/img_emb_{number}.npy", np.concatenate([others, vectors[part]]))
        pl.DataFrame({"image_path": [*names, *keys[part]], "url": "x"}).write_parquet(
            folder / f"metadata/metadata_{number}.parquet"
        )
    return sorted(keys[left_out])


def take(chunk: Path, weights: Path, given: Path, out: Path, status: int = 0) -> str:
    command = program("import_embeddings", "--given", given, *options(chunk, weights, out))
    return run(command, status)


def test_each_sample_has_its_embedding_or_is_listed(
    chunk: Path, weights: Path, embedded: Path, tmp_path: Path
) -> None:
    left_out = write_given(tmp_path / "given", embedded)
    assert f"{IMAGES - MISSING} of {IMAGES} samples have" in take(
        chunk, weights, tmp_path / "given", tmp_path
    )
    rejected = pl.read_parquet(tmp_path / OUTPUTS[2])
    assert rejected["image_path"].sort().to_list() == left_out
    assert rejected["reason"].unique().to_list() == [f"no embedding in {tmp_path / 'given'}"]
    metadata = pl.read_parquet(embedded / OUTPUTS[1])
    kept = ~metadata["image_path"].is_in(left_out)
    assert pl.read_parquet(tmp_path / OUTPUTS[1]).equals(metadata.filter(kept))
    expected = np.load(embedded / OUTPUTS[0], allow_pickle=False)[kept.to_numpy()]
    found = np.load(tmp_path / OUTPUTS[0], allow_pickle=False)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=2e-3)


def spoil_model(given: Path, weights: Path) -> Path:
    return save_model(given, 1)


def spoil_keys(given: Path, weights: Path) -> Path:
    for path in given.glob("metadata/*"):
        pl.read_parquet(path).with_columns(pl.col("image_path") + ".jpg").write_parquet(path)
    return weights


def spoil_twice(given: Path, weights: Path) -> Path:
    for folder, suffix in (("img_emb", "npy"), ("metadata", "parquet")):
        shutil.copy(
            given / f"{folder}/{folder}_1.{suffix}", given / f"{folder}/{folder}_7.{suffix}"
        )
    return weights


def spoil_length(given: Path, weights: Path) -> Path:
    path = given / "metadata/metadata_0.parquet"
    pl.read_parquet(path)[1:].write_parquet(path)
    return weights


def spoil_metadata(given: Path, weights: Path) -> Path:
    (given / "metadata/metadata_1.parquet").unlink()
    return weights


def spoil_folder(given: Path, weights: Path) -> Path:
    shutil.rmtree(given / "img_emb")
    return weights


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_model, "embeddings of another model or of other images"),
        (
            spoil_keys,
            "has no embedding of the 48 samples of chunk 00000 that can be used",
        ),
        (spoil_twice, "metadata_7.parquet has a key that stands twice"),
        (spoil_length, "expected a row for each embedding"),
        (spoil_metadata, "metadata_1.parquet does not exist (1 of 2 are missing)"),
        (spoil_folder, "holds no img_emb/img_emb_<number>.npy"),
    ],
)
def test_what_does_not_fit_is_refused(
    chunk: Path, weights: Path, embedded: Path, tmp_path: Path, spoil: object, message: str
) -> None:
    write_given(tmp_path / "given", embedded)
    assert callable(spoil)
    model = spoil(tmp_path / "given", weights)
    assert message in take(chunk, model, tmp_path / "given", tmp_path, status=2)
    assert not any((tmp_path / name).exists() for name in OUTPUTS)


def test_workflow_takes_them_for_the_pool_alone(
    weights: Path, embedded: Path, tmp_path: Path
) -> None:
    folder = check_out(tmp_path / "checkout")
    write_given(tmp_path / "given", embedded)
    values = yaml.safe_load((folder / STUDY).read_text(encoding="utf-8"))
    values["embedders"]["trained"] = {
        **{"kind": "checkpoint", "model": MODEL, "checkpoint": str(weights)},
        "pool_embeddings": str(tmp_path / "given"),
    }
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(values), encoding="utf-8")
    said = run_study(folder, "--dry-run", "--quiet", "host", study=study)
    jobs = [line.split() for line in said.partition("Job stats:")[2].splitlines() if line]
    counts = {line[0]: line[1] for line in jobs if len(line) == 2}
    assert counts["import_embeddings"] == str(values["pool"]["chunks"])
    assert counts["embed_chunk"] == str(1 + len(values["test_sets"]))
