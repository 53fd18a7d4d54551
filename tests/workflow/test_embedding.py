"""Embedding a chunk: every sample is accounted for, and a killed run continues."""

import io
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import open_clip
import polars as pl
import pytest
import timm
import torch
from PIL import Image
from programs import CLASSES, MODEL, emoji_chunk, kill_when, program, run, spoil

from gapmatch.data.chunks import Shard, read_chunk
from gapmatch.data.samples import Use
from gapmatch.data.shards import read_samples
from gapmatch.embed import embedding
from gapmatch.models.image_encoders import clip_encoder
from gapmatch.models.weights import save_weights
from gapmatch.running.errors import InputError

pytestmark = pytest.mark.workflow

IMAGES = 6 * CLASSES
CPU = torch.device("cpu")
CLASSIFIER = "test_resnet"
OUTPUTS = ("img_emb.npy", "metadata.parquet", "rejected.parquet")


@pytest.fixture(scope="module")
def chunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images in eight shards."""
    return emoji_chunk(tmp_path_factory.mktemp("val"), "val", 6, 6)


@pytest.fixture(scope="module")
def broken(chunk: Path) -> str:
    """The key of an image that cannot be read."""
    return spoil(chunk / "00003.tar", 2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save_weights(path, open_clip.create_model(MODEL, load_weights=False).state_dict())
    return path


def command(chunk: Path, weights: Path, out: Path, batch_size: int = 4) -> list[str]:
    return program(
        "embed_chunk",
        *("--data", chunk, "--model", MODEL, "--checkpoint", weights, "--device", "cpu"),
        *("--use", "test", "--batch-size", batch_size, "--workers", 1, "--state", out / "state"),
        *("--img-emb", out / OUTPUTS[0], "--metadata", out / OUTPUTS[1]),
        *("--rejected", out / OUTPUTS[2]),
    )


@pytest.fixture(scope="module")
def undisturbed(
    chunk: Path, broken: str, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run(command(chunk, weights, out))
    return out


def test_every_sample_is_embedded_or_rejected(chunk: Path, broken: str, undisturbed: Path) -> None:
    embeddings = np.load(undisturbed / OUTPUTS[0], allow_pickle=False)
    metadata = pl.read_parquet(undisturbed / OUTPUTS[1])
    rejected = pl.read_parquet(undisturbed / OUTPUTS[2])
    assert embeddings.dtype == np.float16
    assert embeddings.shape == (IMAGES - 1, 128)
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(float), axis=1), 1, atol=1e-3)

    ((key, shard, reason),) = rejected.iter_rows()
    assert (key, shard) == (broken, "00003.tar")
    assert "truncated" in reason

    expected = [
        (key, shard.path.name, members["txt"].decode(), int(members["cls"]))
        for shard in read_chunk(chunk).shards
        for key, members in read_samples(shard.path)
        if key != broken
    ]
    assert metadata.select("image_path", "shard", "caption", "label").rows() == expected
    assert not (undisturbed / "state").exists()


def test_killed_run_continues_to_the_same_bytes(
    chunk: Path, weights: Path, undisturbed: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    kill_when(
        lambda: any(state.glob("*.rejected.parquet")), command(chunk, weights, tmp_path), tmp_path
    )
    finished = len(list(state.glob("*.rejected.parquet")))
    assert 1 <= finished < 8
    assert not (tmp_path / OUTPUTS[0]).exists()
    assert f"continuing in {state}" in run(command(chunk, weights, tmp_path))
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_state_of_other_weights_is_not_continued(
    chunk: Path, weights: Path, tmp_path: Path
) -> None:
    encoder = clip_encoder(MODEL, CPU, None, weights)
    before = embedding.fingerprint(read_chunk(chunk), encoder)
    encoder.weights["logit_scale"] += 1
    assert embedding.fingerprint(read_chunk(chunk), encoder) != before


def test_finished_shards_are_not_embedded_again(chunk: Path, tmp_path: Path) -> None:
    called = []

    def embed(shards: Sequence[Shard], progress: object) -> Iterator[embedding.Embedded]:
        for shard in shards:
            called.append(shard.path.name)
            metadata = pl.DataFrame(
                [{"image_path": shard.path.stem}], schema=embedding.METADATA_SCHEMA
            )
            if len(called) == 4:
                raise KeyboardInterrupt
            yield embedding.Embedded(np.eye(1, 8, dtype=np.float32), metadata, metadata.clear())

    whole = read_chunk(chunk)
    with pytest.raises(KeyboardInterrupt):
        embedding.embed_chunk(whole, embed, tmp_path)
    shards = embedding.embed_chunk(whole, embed, tmp_path)
    names = [f"{number:05d}" for number in range(8)]
    assert called == [f"{name}.tar" for name in [*names[:4], *names[3:]]]
    files = [tmp_path / name for name in OUTPUTS]
    embedding.join_shards(whole, shards, *files)
    assert pl.read_parquet(files[1])["image_path"].to_list() == names
    assert np.load(files[0], allow_pickle=False).shape == (8, 8)


def test_shard_that_lost_samples_is_refused(chunk: Path, weights: Path) -> None:
    shard = read_chunk(chunk).shards[0]
    encoder = clip_encoder(MODEL, CPU, None, weights)
    with pytest.raises(InputError, match=r"holds 6 samples, its chunk\.json says 7"):
        list(
            embedding.embed_shards([Shard(shard.path, 7)], encoder, 4, 0, Use.TEST, lambda _: None)
        )


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_before_a_damaged_one_are_kept(
    chunk: Path, weights: Path, tmp_path: Path, workers: int
) -> None:
    shards = [
        Shard(Path(shutil.copy(shard.path, tmp_path)), shard.samples)
        for shard in read_chunk(chunk).shards[:4]
    ]
    shards[3].path.write_bytes(shards[3].path.read_bytes()[:9000])
    encoder = clip_encoder(MODEL, CPU, None, weights)
    found = []
    with pytest.raises(InputError, match="damaged or cut short"):
        for embedded in embedding.embed_shards(
            shards, encoder, 4, workers, Use.TEST, lambda _: None
        ):
            found.append(embedded)
    assert len(found) == 3


def test_features_of_timm(chunk: Path, broken: str, tmp_path: Path) -> None:
    """Against timm's own model without its last layer, and timm's own preprocessing."""
    torch.manual_seed(0)
    network = timm.create_model(CLASSIFIER, num_classes=7)
    weights = tmp_path / "classifier.pt"
    save_weights(weights, network.state_dict())
    changed = {"--model": CLASSIFIER, "--checkpoint": weights}
    arguments = command(chunk, weights, tmp_path)
    for option, value in changed.items():
        arguments[arguments.index(option) + 1] = str(value)
    run([*arguments, "--library", "timm", "--image-size", "64"])
    network.reset_classifier(0)
    network.eval()
    transform = timm.data.create_transform(
        **timm.data.resolve_model_data_config(network, {"img_size": 64})
    )
    expected = []
    for path in sorted(chunk.glob("*.tar")):
        for key, sample in read_samples(path):
            if key != broken:
                with torch.no_grad(), Image.open(io.BytesIO(sample["jpg"])) as image:
                    expected.append(network(transform(image.convert("RGB"))[None])[0])
    stored = np.load(tmp_path / OUTPUTS[0], allow_pickle=False).astype(np.float64)
    vectors = torch.stack(expected).double().numpy()
    cosines = (stored * vectors).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert len(cosines) == IMAGES - 1
    assert np.abs(cosines - 1).max() < 1e-3
