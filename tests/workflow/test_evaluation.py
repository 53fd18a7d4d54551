"""Zero-shot classification against a direct computation with open_clip, image by image."""

import io
import json
from pathlib import Path

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from PIL import Image
from programs import CLASSES, MODEL, emoji_chunk, program, run, spoil
from untrained_models import untrained_clip

from gapmatch.data.chunks import Chunk, read_chunk
from gapmatch.data.shards import read_samples
from gapmatch.evaluate import zero_shot
from gapmatch.models.clip_models import load_clip
from gapmatch.models.weights import save_weights
from gapmatch.running.errors import InputError

pytestmark = pytest.mark.workflow

TEMPLATES = ["a photo of a {}", "a drawing of a {}"]
SPOILT = 4


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 labelled images in two shards, one of them cut short."""
    folder = emoji_chunk(tmp_path_factory.mktemp("val"), "val", 3, 16)
    spoil(folder / "00000.tar", SPOILT)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_clip(tmp_path_factory.mktemp("model") / "model.pt")


def direct_scores(chunk: Chunk, weights: Path) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return scores and labels by key, with nothing but open_clip and PIL."""
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    classifier = open_clip.build_zero_shot_classifier(
        model, open_clip.get_tokenizer(MODEL), list(chunk.classes), TEMPLATES
    )
    scores, labels = {}, {}
    for shard in chunk.shards:
        for key, members in read_samples(shard.path):
            (extension,) = members.keys() & {"png", "jpg", "webp"}
            try:
                image = Image.open(io.BytesIO(members[extension])).convert("RGB")
            except OSError:
                continue
            with torch.no_grad():
                features = model.encode_image(preprocess(image)[None], normalize=True)
            scores[key] = (features @ classifier)[0].numpy()
            labels[key] = int(members["cls"])
    return scores, labels


def test_predictions_are_open_clips(test_set: Path, weights: Path, tmp_path: Path) -> None:
    run(
        program(
            "evaluate_zero_shot",
            *("--training-set", "tiny", "--seed", 0, "--model", MODEL, "--checkpoint", weights),
            *("--data", test_set, "--templates", *TEMPLATES, "--device", "cpu"),
            *("--predictions", tmp_path / "val.parquet", "--summary", tmp_path / "val.json"),
        )
    )
    predictions = pl.read_parquet(tmp_path / "val.parquet")
    summary = json.loads((tmp_path / "val.json").read_text(encoding="utf-8"))
    scores, labels = direct_scores(read_chunk(test_set), weights)

    assert predictions["image_path"].to_list() == list(scores)
    assert predictions["label"].to_list() == list(labels.values())
    top5 = []
    for row in predictions.iter_rows(named=True):
        score = scores[row["image_path"]]
        ranked = np.argsort(-score)
        assert score[ranked[0]] - score[ranked[1]] > 1e-6, "too close to compare"
        assert row["predicted"] == ranked[0]
        assert row["correct_top1"] == (ranked[0] == row["label"])
        assert row["correct_top5"] == (row["label"] in ranked[:5])
        top5.append(row["label"] in ranked[:5])
    assert predictions["predicted"].n_unique() > 1

    assert summary["n"] == 3 * CLASSES - 1
    assert summary["rejected"] == 1
    assert summary["classes"] == CLASSES
    assert summary["top1"] == predictions["correct_top1"].mean()
    assert summary["top5"] == pytest.approx(np.mean(top5))
    by_class = predictions.group_by("label").agg(pl.col("correct_top1").mean())
    assert summary["mean_per_class"] == pytest.approx(by_class["correct_top1"].mean())


def test_workers_change_nothing(test_set: Path, weights: Path) -> None:
    network, preprocess, tokenizer = load_clip(MODEL, torch.device("cpu"), checkpoint=weights)
    one, two = (
        zero_shot.classify(
            read_chunk(test_set),
            network,
            preprocess,
            tokenizer,
            TEMPLATES,
            torch.device("cpu"),
            workers,
        )
        for workers in (0, 2)
    )
    assert one.equals(two)


def test_choose_templates() -> None:
    assert len(zero_shot.choose_templates(["openai"])) == 80
    assert len(zero_shot.choose_templates(["simple"])) == 7
    assert zero_shot.choose_templates(TEMPLATES) == TEMPLATES
    with pytest.raises(InputError, match=r"evaluation\.templates: 'a photo'"):
        zero_shot.choose_templates(["a photo"])


def test_checkpoint_of_another_model_is_refused(weights: Path, tmp_path: Path) -> None:
    content = torch.load(weights, weights_only=True)
    content.pop("logit_scale")
    save_weights(tmp_path / "other.pt", content)
    with pytest.raises(InputError, match=r"other\.pt does not fit the model"):
        load_clip(MODEL, torch.device("cpu"), checkpoint=tmp_path / "other.pt")
