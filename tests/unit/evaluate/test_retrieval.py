"""Retrieval against plain NumPy, and against open_clip alone on the same checkpoint."""

import json
from pathlib import Path

import benchmark_miniatures as miniatures
import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from programs import MODEL, run_here
from untrained_models import untrained_clip

from gapmatch.evaluate import retrieval
from gapmatch.evaluate.metrics import DIRECTIONS
from gapmatch.results.evaluations import Evaluation, evaluations_of
from gapmatch.tables.retrieval import retrieval_table, shown_matrix


def direct_ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the rank of the first own column in each row, by a stable sort."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.array([1 + np.flatnonzero(own[i, order[i]])[0] for i in range(len(scores))])


@given(
    seed=st.integers(0, 2**32 - 1),
    captions=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    batch=st.integers(1, 7),
    equal=st.booleans(),
)
def test_ranks_are_those_of_a_sort(seed, captions, batch, equal):
    rng = np.random.default_rng(seed)
    # Whole numbers, whose products are exact in any order; few different ones make ties.
    most = 1 if equal else 1000
    images, texts = (
        rng.integers(-most, most, (n, 8), endpoint=True).astype(np.float32)
        for n in (len(captions), sum(captions))
    )
    image_of_text = np.repeat(np.arange(len(captions)), captions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "BATCH_SIZE", batch)
        found = retrieval.ranks(torch.from_numpy(images), torch.from_numpy(texts), image_of_text)
    own = image_of_text[None, :] == np.arange(len(captions))[:, None]
    scores = images @ texts.T
    np.testing.assert_array_equal(found[0], direct_ranks(scores, own))
    np.testing.assert_array_equal(found[1], direct_ranks(scores.T, own.T))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A miniature, the folder of its evaluation, and the scores of open_clip alone."""
    folder = tmp_path_factory.mktemp("retrieval")
    made = miniatures.retrieval(folder / "wds_flickr", captions=(2, 1, 3, 2, 5, 1, 4, 2))
    run_here(
        *("ingest", "clip_benchmark", "--root", folder / "wds_flickr", "--task", "retrieval"),
        *("--dataset", "flickr", "--chunk", "00000", "--chunks", 1, "--out", folder / "chunk"),
        *("--caption", "{class}", "--samples-per-shard", 4),
    )
    clip = untrained_clip(folder / "clip.pt")
    out = folder / "evaluations/untrained/seed0"
    out.mkdir(parents=True)
    run_here(
        *("evaluate_retrieval", "--training-set", "untrained", "--seed", 0, "--model", MODEL),
        *("--checkpoint", clip, "--data", folder / "chunk", "--device", "cpu", "--workers", 0),
        *("--ranks", out / "flickr.parquet", "--summary", out / "flickr.json"),
    )
    return made, folder, open_clip_scores(clip, made)


@torch.no_grad()
def open_clip_scores(weights: Path, made) -> np.ndarray:
    """Return (images, captions): cosines, with nothing but open_clip."""
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    pixels = torch.stack([preprocess(image.convert("RGB")) for image, _ in made.values()])
    texts = open_clip.get_tokenizer(MODEL)([text for _, found in made.values() for text in found])
    images = model.encode_image(pixels, normalize=True)
    return (images @ model.encode_text(texts, normalize=True).T).numpy()


@pytest.mark.parametrize("part", ["visual.attnpool.c_proj.bias", "text_projection"])
def test_a_model_that_computes_no_numbers_finds_nothing(part, evaluated, tmp_path, capsys):
    """NaN is below no other score: without a check all would be found."""
    _, folder, _ = evaluated
    weights = torch.load(folder / "clip.pt", weights_only=True)
    weights[part] *= torch.nan
    torch.save(weights, tmp_path / "clip.pt")
    with pytest.raises(SystemExit):
        run_here(
            *("evaluate_retrieval", "--training-set", "nan", "--seed", 0, "--model", MODEL),
            *("--checkpoint", tmp_path / "clip.pt", "--data", folder / "chunk"),
            *("--device", "cpu", "--workers", 0),
            *("--ranks", tmp_path / "flickr.parquet", "--summary", tmp_path / "flickr.json"),
        )
    assert "flickr: the model computes numbers that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "flickr.json").exists()


def test_recalls_are_those_of_numpy(evaluated):
    made, folder, scores = evaluated
    counts = [len(texts) for _, texts in made.values()]
    own = np.repeat(np.arange(len(made)), counts)[None, :] == np.arange(len(made))[:, None]
    found = pl.read_parquet(folder / "evaluations/untrained/seed0/flickr.parquet")
    assert found["image_path"].to_list() == list(made)
    by_image, by_text = direct_ranks(scores, own), direct_ranks(scores.T, own.T)
    assert found["caption_rank"].to_list() == by_image.tolist()
    assert found["image_ranks"].explode().to_list() == by_text.tolist()
    assert found["image_ranks"].list.len().to_list() == counts
    summary = json.loads((folder / "evaluations/untrained/seed0/flickr.json").read_text())
    assert (summary["n"], summary["captions"]) == (len(made), sum(counts))
    evaluations = evaluations_of(folder / "evaluations", ["untrained/seed0"], ["flickr"])
    table = retrieval_table(evaluations)
    for direction, ranks in zip(DIRECTIONS, (by_image, by_text), strict=True):
        for k in (1, 5, 10):
            (row,) = table.filter(direction=direction, k=k).iter_rows(named=True)
            assert row["recall"] == pytest.approx((ranks <= k).mean())
            assert summary[f"{direction}_{k}"] == pytest.approx(row["recall"])
            assert row["low"] <= row["recall"] <= row["high"]
            rng = np.random.default_rng(0)
            pairs = own if direction == DIRECTIONS[0] else own.T
            tries = [direct_ranks(rng.random(pairs.shape), pairs) for _ in range(400)]
            assert row["chance"] == pytest.approx((np.array(tries) <= k).mean(), abs=0.04)


def test_intervals_draw_the_captions_of_an_image_together():
    rng = np.random.default_rng(0)
    images = pl.DataFrame(
        {
            "test_row": np.arange(300),
            "caption_rank": rng.integers(1, 30, 300),
            # All captions of an image do alike: five are no more than one.
            "image_ranks": [[int(rank)] * 5 for rank in rng.integers(1, 30, 300)],
        }
    )
    table = retrieval_table([Evaluation("model", 0, "flickr", images)])
    (row,) = table.filter(direction="text_to_image", k=10).iter_rows(named=True)
    assert row["captions"] == 1500
    half = 1.96 * np.sqrt(row["recall"] * (1 - row["recall"]) / 300)
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.1)


def test_people_see_recalls_averaged_over_seeds():
    models = [
        Evaluation(
            "baseline",
            seed,
            "flickr",
            pl.DataFrame(
                {"test_row": [0, 1], "caption_rank": ranks, "image_ranks": [[1, 2], [ranks[1]]]}
            ),
        )
        for seed, ranks in enumerate([[1, 2], [1, 7]])
    ]
    shown = shown_matrix(retrieval_table(models))
    assert shown.columns == [
        "training set",
        "flickr, image to text (n = 2; 3 captions)",
        "flickr, text to image (n = 2; 3 captions)",
    ]
    name, images, texts = shown.row(0)
    assert name == "baseline"
    assert [part.split()[0] for part in images.split(" / ")] == ["50.0", "75.0", "100.0"]
    assert [part.split()[0] for part in texts.split(" / ")] == ["33.3", "83.3", "100.0"]
    assert shown.row(1) == ("(chance)", "50.0 / 100.0 / 100.0", "50.0 / 100.0 / 100.0")


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (None, "s0000009 has no captions (txt)"),
        (b" \n\n", "s0000009: its captions (txt) are empty"),
        (b"\xef\xbb\xbf\n", "s0000009: its captions (txt) are empty"),
        ("ein Hügel".encode("latin-1"), "s0000009: its captions (txt) are not UTF-8"),
    ],
)
def test_an_image_without_captions_is_refused(captions, message, tmp_path, capsys):
    miniatures.retrieval(tmp_path / "wds")
    with miniatures.webdataset.TarWriter(str(tmp_path / "wds/test/1.tar")) as shard:
        beside = {} if captions is None else {"txt": captions}
        shard.write({"__key__": "s0000009", "png": b"x", **beside})
    with pytest.raises(SystemExit):
        run_here(
            *("ingest", "clip_benchmark", "--root", tmp_path / "wds", "--task", "retrieval"),
            *("--dataset", "flickr", "--chunk", "00000", "--chunks", 1),
            *("--out", tmp_path / "chunk", "--caption", "{class}", "--samples-per-shard", 4),
        )
    assert message in capsys.readouterr().err
