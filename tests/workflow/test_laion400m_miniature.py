"""The paper's study in miniature: its own file, with little data of the same layouts, run whole.

Pool shards as img2dataset writes them, ImageNet and its five shifts as they ship, models whose
weights are files. What is too large is made smaller; all else is what studies/laion400m.yaml says.
"""

import functools
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import imagenet_miniatures as miniatures
import numpy as np
import polars as pl
import pytest
import yaml
from direct_evaluation import clip_scores, originals
from imagenet_miniatures import Miniature
from PIL import Image
from programs import MODEL, ROOT
from smoke_study import NOTHING, check_out, read_json, run
from untrained_models import untrained_classifier, untrained_clip

from gapmatch.config.families import expand
from gapmatch.data.shards import Members, write_shard

pytestmark = pytest.mark.workflow

STUDY = ROOT / "studies" / "laion400m.yaml"
NAME = "laion400m_miniature"
RESULTS = f"results/{NAME}"
LAYOUTS = ("val_flat", "sketch", "a", "r", "v2", "objectnet")
IMAGES = 4  # of each class
SHARDS, SAMPLES = 4, 24
SIDE = 256  # what img2dataset made of LAION's images
CLASSIFIER = "test_resnet"
POOL = 200_000_000  # what the paper's sizes are parts of
# One subset of nearly every kind that the study has.
SUBSETS = (
    *("baseline", "reference_only", "combined_pruned", "combined_alone", "combined_resnet101"),
    *("combined_rank5", "reference_50", "near_sketch_50m"),
)
GAP_MATCHED = [name for name in SUBSETS if name.startswith("combined")]
CLOSE = 1e-4


@dataclass(frozen=True)
class Data:
    """Where the miniatures are."""

    folder: Path
    tests: dict[str, Miniature]
    pool: list[list[tuple[str, Members]]]


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def pool_samples(tests: dict[str, Miniature]) -> list[list[tuple[str, Members]]]:
    """Return the samples of each shard: every third is a test image as the web might hold it."""
    rng = np.random.default_rng(0)
    found = [(test, path) for test in tests.values() for path in test.images]
    shards = []
    for shard in range(SHARDS):
        samples = []
        for number in range(SAMPLES):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            image = Image.fromarray(pixels)
            if number % 3 == 0:
                test, path = found[rng.integers(len(found))]
                image = test.picture(path)
            image = image.resize((SIDE, SIDE))
            key = f"{shard:05d}{number:02d}"  # digits: what img2dataset needs for so many
            metadata = {"key": key, "caption": f"picture {number}", "status": "success"}
            members = {
                "jpg": jpeg(image),
                "txt": metadata["caption"].encode(),
                "json": json.dumps(metadata).encode(),
            }
            samples.append((key, members))
        shards.append(samples)
    return shards


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    tests = {
        made.variant: made
        for made in (miniatures.miniature(name, folder / name, IMAGES) for name in LAYOUTS)
    }
    miniatures.by_wordnet_id(folder / "train", miniatures.CLASSES, 3 * IMAGES, seed=50)
    pool = pool_samples(tests)
    (folder / "pool").mkdir()
    for number, samples in enumerate(pool):
        tar = folder / "pool" / f"{number:05d}.tar"
        write_shard(tar, samples)
        statistics = {"count": SAMPLES + 1, "successes": SAMPLES, "failed_to_download": 1}
        tar.with_name(f"{tar.stem}_stats.json").write_text(json.dumps(statistics))
    untrained_clip(folder / "b16.pt")
    untrained_clip(folder / "b32.pt", seed=8)
    untrained_classifier(folder / "resnet.pt", CLASSIFIER, 1000)
    return Data(folder, tests, pool)


def in_miniature(data: Data) -> dict[str, Any]:
    """Return the paper's study with its paths, sizes and published weights replaced."""
    values: dict[str, Any] = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    values["study"] = NAME
    last = SHARDS - 1
    values["pool"]["source"]["shards"] = f"{data.folder}/pool/{{00000..{last:05d}}}.tar"
    values["pool"]["chunks"] = 2
    train = {"root": str(data.folder / "train"), "images": 3 * IMAGES * len(miniatures.CLASSES)}
    values["reference"]["source"] |= train
    values["reference"]["chunks"] = 2
    for section in values["test_sets"].values():
        made = data.tests[section["source"]["variant"]]
        section["source"] |= {"root": str(made.root), "images": len(made.images)}
        if made.ground_truth:
            section["source"]["ground_truth"] = str(made.ground_truth)
    network = {"model": CLASSIFIER, "checkpoint": str(data.folder / "resnet.pt")}
    checkpoint = {"kind": "checkpoint", "model": MODEL}
    values["embedders"] = {
        "vit_b_16_plus": checkpoint | {"checkpoint": str(data.folder / "b16.pt")},
        "vit_b_32": checkpoint | {"checkpoint": str(data.folder / "b32.pt")},
        "resnet101": {"kind": "timm"} | network,
    }
    values["human_check"] = {"trials": 12, "embedders": list(values["embedders"])}
    values["classifiers"] = {"resnet50": {"kind": "checkpoint"} | network}
    # Links in shards as large as the pool's have the same keys.
    values["download"] |= {"samples_per_shard": SAMPLES, "retries": 0}
    # The threshold is of trained models: to these, images that differ are nearly as alike.
    values["deduplicate"] |= {"clusters": 3, "parts": 2, "threshold": 0.995}
    subsets = expand(values["subsets"], values["test_sets"]).subsets
    values["subsets"] = {name: in_parts(subsets[name]) for name in SUBSETS}
    values["training"] |= {"model": MODEL, "epochs": 1, "batch_size": 16, "precision": "fp32"}
    values["compute"] = {"embedding_workers": 0, "training_workers": 1}
    return values


def in_parts(subset: dict[str, Any]) -> dict[str, Any]:
    """Return a subset whose size is the same part of the pool as in the paper."""
    return subset | ({"keep": subset["keep"] / POOL} if "keep" in subset else {})


@pytest.fixture(scope="module")
def study(data: Data) -> Path:
    path = data.folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(in_miniature(data), sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def completed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the study ran to its end."""
    folder = check_out(tmp_path_factory.mktemp("laion400m"))
    run(folder, study=study)
    return folder


@pytest.fixture(scope="module")
def results(completed: Path) -> Path:
    return completed / RESULTS


def test_counts_reconcile(results: Path) -> None:
    for subset in SUBSETS:
        summary = read_json(results / "subsets" / subset / "summary.json")
        assert summary["embedded"] == SHARDS * SAMPLES
        assert summary["pool"] == summary["embedded"] - summary["duplicates"]
        assert summary["pool"] == summary["kept"] + summary["pruned"]
        assert 0 < summary["duplicates"] < SHARDS * SAMPLES / 2
        if subset == "near_sketch_50m":
            assert abs(summary["kept"] - summary["pool"] * 50_000_000 / POOL) < 1


@pytest.mark.parametrize("subset", GAP_MATCHED)
def test_certificates_hold(results: Path, data: Data, subset: str) -> None:
    certificate = read_json(results / "subsets" / subset / "certificate.json")
    assert certificate["violations"] == 0
    assert certificate["test_images"] == sum(len(test.images) for test in data.tests.values())
    assert read_json(results / "subsets" / subset / "summary.json")["pruned"] > 0


def test_training_sets_hold_their_share_of_the_reference(results: Path) -> None:
    whole = 3 * IMAGES * len(miniatures.CLASSES)
    shares = {"reference_50": 0.5, "combined_alone": 0}
    for subset in SUBSETS:
        summary = read_json(results / "models" / subset / "seed0" / "training.json")
        assert summary["reference_samples"] == whole * shares.get(subset, 1)


@pytest.mark.parametrize("variant", [name.partition("_")[0] for name in LAYOUTS])
def test_accuracy_is_open_clips_own(results: Path, data: Data, variant: str) -> None:
    """On the checkpoint that the workflow trained, to the last image."""
    made = data.tests[variant]
    predictions = pl.read_parquet(results / f"evaluations/combined_pruned/seed0/{variant}.parquet")
    paths = list(originals(results / "data" / variant / "00000").values())
    weights = results / "models" / "combined_pruned" / "seed0" / "model.pt"
    scores = clip_scores(weights, made, templates=None)
    assert len(predictions) == len(paths) == len(made.images)
    for path, row in zip(paths, predictions.iter_rows(named=True), strict=True):
        assert row["label"] == made.images[path]
        # A model of one epoch may find two classes as likely as each other.
        assert scores[path][row["predicted"]] > scores[path].max() - CLOSE
        assert row["correct_top1"] == (row["predicted"] == row["label"])


def test_tables(results: Path) -> None:
    table = pl.read_csv(results / "tables" / "table1.csv")
    published = table.filter(pl.col("published").is_not_null())
    cells = published.select("training_set", "test_set", "published").rows()
    assert sorted(cells) == [
        ("baseline", "r", 0.729),
        ("baseline", "sketch", 0.5021),
        ("combined_pruned", "r", 0.6788),
        ("combined_pruned", "sketch", 0.4412),
    ]
    assert published["source"].unique().to_list() == ["Mayilvahanan et al., ICLR 2024"]
    assert set(table["training_set"]) == {*SUBSETS, "resnet50"}
    agreement = pl.read_csv(results / "tables" / "agreement.csv")
    assert agreement.select("subset", "other_subset").rows() == [
        ("combined_pruned", "combined_resnet101")
    ]


def test_every_numbered_figure_is_there(completed: Path, study: Path) -> None:
    targets = ("tables", "figures", "table1", *[f"fig{number}" for number in range(1, 8)])
    assert NOTHING in run(completed, *targets, "--dry-run", study=study)
    drawn = {path.stem for path in (completed / RESULTS / "figures").glob("*.pdf")}
    assert drawn >= {"dose_response", "effective_robustness", "transfer_by_size", "profile"}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write_links(data: Data, address: str, site: Path) -> Path:
    """Write the pool's images to a site, and LAION's metadata of them: parts with URL and TEXT."""
    metadata = site / "metadata"
    metadata.mkdir(parents=True)
    for number, samples in enumerate(data.pool):
        for key, members in samples:
            (site / f"{key}.jpg").write_bytes(members["jpg"])
        links = {
            "SAMPLE_ID": list(range(SAMPLES)),
            "URL": [f"{address}/{key}.jpg" for key, _ in samples],
            "TEXT": [members["txt"].decode() for _, members in samples],
        }
        pl.DataFrame(links).write_parquet(metadata / f"part-{number:05d}.parquet")
    (site / f"{data.pool[0][0][0]}.jpg").unlink()  # a dead link
    return metadata


def test_pool_of_links_with_given_embeddings(completed: Path, data: Data, tmp_path: Path) -> None:
    """The pool fetched by LAION's metadata; its embeddings are those of the shards, by key."""
    folder = shutil.copytree(completed, tmp_path / "copy", symlinks=True)
    given = shutil.copytree(
        completed / RESULTS / "embeddings" / "vit_b_16_plus" / "pool", tmp_path / "given"
    )
    values = in_miniature(data)
    values["embedders"]["vit_b_16_plus"]["pool_embeddings"] = str(given)
    values["pool"]["chunks"] = 1  # keys count from 0 in each, as the shards' do
    study = tmp_path / "links.yaml"
    targets = [
        f"{RESULTS}/subsets/combined_pruned/{name}.json" for name in ("summary", "certificate")
    ]
    with served(tmp_path / "site") as address:
        metadata = write_links(data, address, tmp_path / "site")
        values["pool"]["source"] = {
            **{"kind": "urls", "path": str(metadata)},
            **{"url_column": "URL", "caption_column": "TEXT"},
        }
        study.write_text(yaml.safe_dump(values), encoding="utf-8")
        said = run(folder, *targets, study=study)
    assert re.search(r"^import_embeddings +1$", said, re.MULTILINE)
    manifest = read_json(folder / RESULTS / "data" / "pool" / "00000" / "chunk.json")
    assert manifest["urls"] == SHARDS * SAMPLES
    assert manifest["failed"] == 1
    summary = read_json(folder / targets[0])
    assert summary["embedded"] == SHARDS * SAMPLES - 1
    assert read_json(folder / targets[1])["violations"] == 0
