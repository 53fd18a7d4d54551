"""Test sets in the layouts that the community shares: read, refused, evaluated as by open_clip."""

import codecs
import json
import re
import runpy
from pathlib import Path

import benchmark_miniatures as miniatures
import numpy as np
import open_clip
import polars as pl
import pytest
import torch
import webdataset
import yaml
from benchmark_miniatures import CLASS_NAMES, TEMPLATES
from programs import MODEL, ROOT, run_here
from untrained_models import untrained_clip

from gapmatch.config import load_study
from gapmatch.data.chunks import read_chunk, require_unchanged
from gapmatch.data.samples import Use, describe_shard
from gapmatch.data.shards import read_samples
from gapmatch.download.source import sources
from gapmatch.evaluate.average_precision import chance_precision
from gapmatch.inspection.sources import look_at_labelled
from gapmatch.results.evaluations import read_evaluations
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import accuracy_table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "wds_eurosat"


def ingest(kind: str, out: Path, dataset: str, *settings: object, chunk: int = 0, chunks: int = 1):
    run_here(
        *("ingest", kind, *settings),
        *("--dataset", dataset, "--chunk", f"{chunk:05d}", "--chunks", chunks, "--out", out),
        *("--caption", "a photo of a {class}", "--samples-per-shard", 4),
    )
    return read_chunk(out)


def refused(capsys: pytest.CaptureFixture[str], message: str, *arguments: object) -> None:
    """Check that a source is refused with a message."""
    with pytest.raises(SystemExit):
        ingest(*arguments)
    assert re.search(message, capsys.readouterr().err)


def test_a_test_set_is_read_in_place(root, tmp_path):
    made = miniatures.clip_benchmark(root)
    for path in root.glob("*.txt"):  # as some editors write them
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    (root / "test/._0.tar").write_bytes(b"left there by a file manager")
    (root / "dataset_type.txt").write_bytes(b"Classification\r\n")
    found = ingest("clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    assert [shard.path for shard in found.shards] == [root / f"test/{n}.tar" for n in range(3)]
    assert [shard.samples for shard in found.shards] == [5, 5, 2]
    assert found.samples == len(made)
    assert found.classes == tuple(CLASS_NAMES)
    assert found.templates == tuple(one.replace("{c}", "{}") for one in TEMPLATES)
    assert [path.name for path in (tmp_path / "chunk").iterdir()] == ["chunk.json"]
    (root / "test/2.tar").write_bytes(b"other")
    with pytest.raises(InputError, match=r"had .* when it was listed"):
        require_unchanged(found)


def test_a_test_set_is_packed_as_the_docs_tell(tmp_path):
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "/wds_" in block
    ]
    images = []
    for number in range(7):
        path = tmp_path / f"{number}.jpg"
        miniatures.picture(np.random.default_rng(number)).save(path)
        images.append((path, number % 2))
    made = code.replace("/data/wds_mine", str(tmp_path / "wds_mine")).replace("10_000", "3")
    (tmp_path / "pack.py").write_text(made)
    runpy.run_path(str(tmp_path / "pack.py"), {"names": ["fox", "hen"], "images": images})
    found = ingest("clip_benchmark", tmp_path / "chunk", "mine", "--root", tmp_path / "wds_mine")
    assert [shard.samples for shard in found.shards] == [3, 3, 1]
    assert (found.classes, found.templates) == (("fox", "hen"), ("a photo of {}.",))


def test_a_reference_is_packed_with_captions_and_mixed_classes(root, tmp_path):
    made = miniatures.clip_benchmark(root, "train", labels=sorted((0, 1, 2) * 4), extension="jpg")
    settings = ("--root", root, "--split", "train")
    keys, labels = [], []
    for chunk in range(2):
        out = tmp_path / f"{chunk}"
        found = ingest("clip_benchmark", out, "reference", *settings, chunk=chunk, chunks=2)
        assert (found.samples, found.classes) == (6, tuple(CLASS_NAMES))
        for shard in found.shards:
            assert shard.path.parent == out
            for _, members in read_samples(shard.path):
                label = int(members["cls"])
                metadata = json.loads(members["json"])
                key = metadata["path"].rpartition("/")[2]
                assert made[key][1] == label == metadata["label"]
                assert members["txt"].decode() == f"a photo of a {CLASS_NAMES[label]}"
                originals = dict(read_samples(root / "train" / metadata["path"].split("/")[0]))
                assert members["jpg"] == originals[key]["jpg"]
                keys.append(key)
                labels.append(label)
    assert sorted(keys) == sorted(made)
    assert labels != sorted(labels)


def test_zero_shot_is_as_open_clip_alone_with_the_templates_that_it_ships(root, tmp_path):
    made = miniatures.clip_benchmark(root)
    chunk = tmp_path / "chunk"
    ingest("clip_benchmark", chunk, "eurosat", "--root", root)
    clip = untrained_clip(tmp_path / "clip.pt")
    expected = {
        "own": [template.replace("{c}", "{}") for template in TEMPLATES],
        "given": ["a photo of a {}"],
    }
    for name, templates in expected.items():
        run_here(
            "evaluate_zero_shot",
            *("--training-set", "untrained", "--seed", 0, "--model", MODEL, "--checkpoint", clip),
            *("--data", chunk, "--templates", "a photo of a {}"),
            *(("--own-templates",) if name == "own" else ()),
            *("--device", "cpu", "--workers", 0),
            *("--predictions", tmp_path / f"{name}.parquet", "--summary", tmp_path / "e.json"),
        )
        predicted = pl.read_parquet(tmp_path / f"{name}.parquet")
        scores = open_clip_scores(clip, [image for image, _ in made.values()], templates)
        assert predicted["image_path"].to_list() == list(made)
        assert predicted["label"].to_list() == [label for _, label in made.values()]
        assert predicted["predicted"].to_list() == scores.argmax(axis=1).tolist()
        assert json.loads((tmp_path / "e.json").read_text())["templates"] == len(templates)


def test_a_model_that_computes_no_numbers_classifies_nothing(root, tmp_path, capsys):
    miniatures.clip_benchmark(root)
    ingest("clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    weights = torch.load(untrained_clip(tmp_path / "clip.pt"), weights_only=True)
    weights["visual.attnpool.c_proj.bias"][0] = torch.nan
    torch.save(weights, tmp_path / "clip.pt")
    with pytest.raises(SystemExit):
        run_here(
            *("evaluate_zero_shot", "--training-set", "nan", "--seed", 0, "--model", MODEL),
            *("--checkpoint", tmp_path / "clip.pt", "--data", tmp_path / "chunk"),
            *("--templates", "a photo of a {}", "--device", "cpu", "--workers", 0),
            *("--predictions", tmp_path / "e.parquet", "--summary", tmp_path / "e.json"),
        )
    assert "eurosat: the model computes numbers that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "e.json").exists()


def test_images_with_several_classes_are_scored_as_by_open_clip_alone(root, tmp_path):
    made = miniatures.multilabel(root)
    settings = ("--root", root, "--task", "multilabel")
    found = ingest("clip_benchmark", tmp_path / "chunk", "voc", *settings)
    assert (found.samples, found.classes, found.templates) == (len(made), tuple(CLASS_NAMES), ())
    clip = untrained_clip(tmp_path / "clip.pt")
    run_here(
        *("evaluate_zero_shot", "--training-set", "untrained", "--seed", 0, "--model", MODEL),
        *("--checkpoint", clip, "--data", tmp_path / "chunk", "--templates", "a photo of a {}"),
        *("--multilabel", "--device", "cpu", "--workers", 0),
        *("--predictions", tmp_path / "voc.parquet", "--summary", tmp_path / "voc.json"),
    )
    predicted = pl.read_parquet(tmp_path / "voc.parquet")
    assert predicted["image_path"].to_list() == list(made)
    assert predicted["labels"].to_list() == [labels for _, labels in made.values()]
    scores = open_clip_scores(clip, [image for image, _ in made.values()], ["a photo of a {}"])
    np.testing.assert_allclose(predicted["scores"].to_list(), scores, atol=1e-6)
    precision = []
    for place in range(len(CLASS_NAMES)):  # the precision at each image that shows the class
        order = np.argsort(-scores[:, place])
        shown = np.array([place in labels for _, labels in made.values()])[order]
        precision.append(np.mean((shown.cumsum() / np.arange(1, len(made) + 1))[shown]))
    summary = json.loads((tmp_path / "voc.json").read_text())
    assert summary["n"] == len(made)
    assert summary["mean_average_precision"] == pytest.approx(np.mean(precision))
    [evaluation] = read_evaluations([tmp_path / "voc.json"])
    row = accuracy_table([evaluation]).row(0, named=True)
    assert row["metric"] == "mean_average_precision"
    assert row["score_low"] <= row["score"] <= row["score_high"]
    assert row["score"] == pytest.approx(np.mean(precision))
    assert row["top1"] is None
    shown = [sum(place in labels for _, labels in made.values()) for place in range(3)]
    chances = chance_precision(np.array(shown), len(made))
    assert row["chance"] == pytest.approx(chances.mean())


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (np.ones(2, np.float32), r"tells of 2 classes \(npy\), but .*classnames\.txt names 3"),
        (np.array([0, 1, 0.5]), r"its classes \(npy\) are \[0\.0, 1\.0, 0\.5\]: expected an array"),
        (np.ones((3, 1)), r"its classes \(npy\) are \[\[1\.0\], \[1\.0\], \[1\.0\]\]: expected"),
        (b"PK", r"its classes \(npy\) are no array of numbers"),
        (b"PK\x03\x04", r"its classes \(npy\) are no array of numbers"),
        (b"\x93NUMPY\x01\x00\x04\x00{((\n", r"its classes \(npy\) are no array of numbers"),
        (np.zeros(3, "V4"), r"its classes \(npy\) are no array of numbers"),
        (np.zeros(3, "m8[s]"), r"its classes \(npy\) are no array of numbers"),
        (None, r"s0000009 has no classes \(npy\)"),
    ],
)
def test_wrong_classes_of_an_image_are_refused(told, message, root, tmp_path, capsys):
    miniatures.multilabel(root)
    with webdataset.TarWriter(str(root / "test/2.tar")) as shard:
        beside = {} if told is None else {"npy": told}
        shard.write({"__key__": "s0000009", "png": b"x", **beside})
    settings = ("--root", root, "--task", "multilabel")
    refused(capsys, message, "clip_benchmark", tmp_path / "chunk", "voc", *settings)


def test_images_that_show_no_class_are_refused(root, tmp_path, capsys):
    miniatures.multilabel(root)
    for tar in (root / "test").glob("*.tar"):
        with webdataset.TarWriter(str(tar)) as shard:
            shard.write({"__key__": "s0", "png": b"x", "npy": np.zeros(3)})
    settings = ("--root", root, "--task", "multilabel")
    message = r"wds_eurosat/test: no image shows any class \(npy\): expected a 1"
    refused(capsys, message, "clip_benchmark", tmp_path / "chunk", "voc", *settings)


def test_odd_classes_are_told_when_they_are_read(root, tmp_path, caplog):
    miniatures.clip_benchmark(root, labels=(0, 1) * 6)
    (root / "classnames.txt").write_text("lake\nforest\nlake\n")
    ingest("clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    assert "eurosat: 1 class has no image: lake" in caplog.text
    assert "eurosat: several classes share a name (lake)" in caplog.text
    miniatures.multilabel(root.with_name("wds_voc"))
    settings = ("--root", root.with_name("wds_voc"), "--task", "multilabel")
    ingest("clip_benchmark", tmp_path / "voc", "voc", *settings)
    assert "voc: 3 classes have fewer than 10 images: annual crop land, forest" in caplog.text


def test_a_wrong_task_is_told_by_what_lies_beside_the_images(root, tmp_path, capsys):
    miniatures.multilabel(root)
    (root / "dataset_type.txt").unlink()
    asked = ("clip_benchmark", tmp_path / "chunk", "voc", "--root", root)
    refused(capsys, r"s0000000 has no label \(cls\): .*; or set task: multilabel", *asked)


@torch.no_grad()
def open_clip_scores(weights, images, templates) -> np.ndarray:
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    classifier = open_clip.build_zero_shot_classifier(
        model, open_clip.get_tokenizer(MODEL), CLASS_NAMES, templates
    )
    pixels = torch.stack([preprocess(image) for image in images])
    return (model.encode_image(pixels, normalize=True) @ classifier).numpy()


def test_embedding_names_the_classes_of_labels(root, tmp_path):
    made = miniatures.clip_benchmark(root)
    ingest("clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    clip = untrained_clip(tmp_path / "clip.pt")
    run_here(
        *("embed_chunk", "--data", tmp_path / "chunk", "--use", "test", "--library", "open_clip"),
        *("--model", MODEL, "--checkpoint", clip, "--device", "cpu", "--workers", 0),
        *("--state", tmp_path / "state", "--img-emb", tmp_path / "e.npy"),
        *("--metadata", tmp_path / "m.parquet", "--rejected", tmp_path / "r.parquet"),
    )
    metadata = pl.read_parquet(tmp_path / "m.parquet")
    assert metadata["class_name"].to_list() == [CLASS_NAMES[label] for _, label in made.values()]


def test_an_inspection_looks_at_every_label_and_some_images(root):
    miniatures.clip_benchmark(root, labels=(0, 0, 2) * 4)
    source = sources()["clip_benchmark"].settings(root=root)
    look = look_at_labelled("eurosat", source)
    assert (look.images, look.classes) == (12, tuple(CLASS_NAMES))
    assert look.facts["prompt templates of its own"] == "2"
    (warning,) = look.findings
    assert "1 class has no image: forest" in str(warning)
    (root / "test/nshards.txt").write_text("4\n")
    assert "are missing" in str(look_at_labelled("eurosat", source).findings[0])


@pytest.mark.parametrize(
    ("task", "write"),
    [("retrieval", miniatures.retrieval), ("multilabel", miniatures.multilabel)],
)
def test_an_inspection_looks_at_images_without_a_class_each(task, write, root):
    made = write(root)
    source = sources()["clip_benchmark"].settings(root=root, task=task)
    look = look_at_labelled("shared", source)
    findings = [str(finding) for finding in look.findings]
    few = "3 classes have fewer than 10 images"
    assert len(findings) == (task == "multilabel")
    assert all(few in finding for finding in findings)
    if task == "multilabel":
        told = [", ".join(CLASS_NAMES[one] for one in shown) for _, shown in made.values()]
        expected = [names or "(no class)" for names in told[:8]]
        assert sorted(picture.caption for picture in look.pictures) == sorted(expected)
    assert look.images == len(made)


@pytest.mark.parametrize("use", list(Use))
def test_a_strange_file_beside_an_image_stops_nothing(use, tmp_path):
    """Pools have whatever their makers put there."""
    with webdataset.TarWriter(str(tmp_path / "0.tar")) as shard:
        shard.write({"__key__": "a", "jpg": b"x", "txt": b"a cat", "npy": b"PK\x03\x04"})
    [sample] = describe_shard(tmp_path / "0.tar", use)
    assert (sample.reason, sample.labels) == (None, None)


def test_images_without_a_class_each_are_no_reference(root):
    miniatures.multilabel(root)
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    source = {"kind": "clip_benchmark", "root": str(root), "task": "multilabel"}
    values["reference"]["source"] = source
    with pytest.raises(
        InputError, match=r"reference\.source\.task: got 'multilabel', expected cla"
    ):
        load_study(values, [])


def spoiled(root: Path, fault: str) -> None:
    """Make a hole in a data set."""
    shards = root / "test/nshards.txt"
    if fault == "folder":
        root.rename(root.with_name("elsewhere"))
    elif fault == "class names":
        (root / "classnames.txt").unlink()
    elif fault == "number":
        shards.write_text("three\n")
    elif fault == "shards":
        (root / "test/1.tar").unlink()
    elif fault == "templates":
        (root / "zeroshot_classification_templates.txt").write_text("a photo of {}\n")
    elif fault == "empty name":
        (root / "classnames.txt").write_text("a\n\nb\n")
    elif fault == "more digits than a number has":
        shards.write_text("1" * 5000)
    elif fault == "millions":
        shards.write_text("3000000\n")
    elif fault == "no number":
        shards.unlink()
    elif fault == "too few":
        shards.write_text("2\n")
    elif fault == "type":
        (root / "dataset_type.txt").write_text("captioning\n")
    elif fault == "task":
        (root / "dataset_type.txt").write_text("retrieval\n")
        (root / "classnames.txt").unlink()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("folder", r"test_sets\.eurosat\.source\.root: .*wds_eurosat does not exist"),
        ("class names", r"source\.root: .*classnames\.txt does not exist"),
        ("split", r"source\.split: got 'val', expected one of those in .*: test"),
        (
            "no number",
            r"source\.split: got 'test', expected .*test/nshards\.txt, a file with the n",
        ),
        ("number", r"nshards\.txt says 'three': expected the number of shards"),
        ("more digits than a number has", r"nshards\.txt says '1{40}': expected the number"),
        ("shards", r"nshards\.txt says 3 shards, of which 1\.tar are missing"),
        ("millions", r"says 3000000 shards, of which 3\.tar, .*7\.tar \.\.\. are missing"),
        ("too few", r"nshards\.txt says 2 shards, of which 2\.tar are not: correct"),
        ("templates", r"'a photo of \{\}': expected \{c\} once"),
        ("empty name", r"classnames\.txt: line 2 is empty"),
        ("type", r"dataset_type\.txt says 'captioning', .*: no such data can be used"),
        ("task", r"says 'retrieval', but the study's task is 'classification': set task: retrieva"),
    ],
)
def test_a_study_names_holes_when_it_starts(fault, message, root):
    miniatures.clip_benchmark(root)
    spoiled(root, fault)
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    source = {"kind": "clip_benchmark", "root": str(root)}
    source |= {"split": "val"} if fault == "split" else {}
    values["test_sets"]["eurosat"] = {"source": source}
    with pytest.raises(InputError, match=message) as told:
        load_study(values, [])
    assert str(told.value).count("\n") == 1, "one problem, one line"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((0, 1, 3), r"0\.tar: s0000002: its label is 3, but .*classnames\.txt names 3 classes"),
        ((0, -1), r"its label \(cls\) is '-1': expected the number of a class"),
        ((0, 10**4000), r"its label \(cls\) is '10+': expected the number of a class"),
    ],
)
def test_labels_without_a_name_are_refused(labels, message, root, tmp_path, capsys):
    miniatures.clip_benchmark(root, labels=labels)
    refused(capsys, message, "clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    assert not (tmp_path / "chunk").exists()


def test_a_shard_without_samples_or_a_sample_without_label_is_refused(root, tmp_path, capsys):
    miniatures.clip_benchmark(root)
    third = root / "test/2.tar"
    asked = ("clip_benchmark", tmp_path / "chunk", "eurosat", "--root", root)
    third.write_bytes(b"\0" * 10240)
    refused(capsys, r"2\.tar holds no sample", *asked)
    miniatures.webdataset.TarWriter(str(third)).close()
    with miniatures.webdataset.TarWriter(str(third)) as shard:
        shard.write({"__key__": "s0000010", "jpg": b"x"})
    refused(capsys, r"2\.tar: s0000010 has no label", *asked)


def test_a_domain_is_that_of_its_list(tmp_path):
    labels = miniatures.domainnet(tmp_path / "domainnet")
    found = ingest(
        *("domainnet", tmp_path / "chunk", "sketch", "--root", tmp_path / "domainnet"),
        *("--domain", "sketch", "--split", "test"),
    )
    assert found.classes == ("aircraft carrier", "The Eiffel Tower", "zebra")
    members = [one for shard in found.shards for _, one in read_samples(shard.path)]
    paths = [json.loads(one["json"])["path"] for one in members]
    assert sorted(paths) == sorted(labels)
    positions = {0: 0, 3: 1, 7: 2}
    assert [int(one["cls"]) for one in members] == [positions[labels[path]] for path in paths]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "sketch/zebra/none.jpg 7",
            r"sketch_test\.txt: 1 of its files are no images in .*none\.jpg",
        ),
        ("sketch/zebra/sketch_007_000001.jpg 3", "stands twice"),
        ("./sketch//zebra/sketch_007_000001.jpg 7", "stands twice"),
        ("sketch/zebra/other.jpg 5", "zebra has the labels 7 and 5: expected one label for each"),
        (f"sketch/zebra/other.jpg {'7' * 5000}", "expected sketch/CLASS/FILE, a space and a label"),
        ("sketch/zebra/other.jpg 3", "the label 3 is that of The_Eiffel_Tower and of zebra"),
        ("sketch/zebra/other.jpg", "expected sketch/CLASS/FILE, a space and a label"),
        ("real/zebra/other.jpg 7", r"real/zebra/other\.jpg: expected sketch/CLASS/FILE"),
        ("../zebra/other.jpg 7", r"line 10: \.\./zebra/other\.jpg: expected a path relative"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(line, message, tmp_path, capsys):
    root = tmp_path / "domainnet"
    miniatures.domainnet(root)
    with (root / "sketch_test.txt").open("a") as file:
        file.write(f"{line}\n")
    asked = ("domainnet", tmp_path / "chunk", "sketch", "--root", root)
    refused(capsys, message, *asked, "--domain", "sketch", "--split", "test")


def test_an_image_folder_may_have_a_list_of_its_files(tmp_path):
    labels = miniatures.domainnet(tmp_path / "domainnet")
    root = tmp_path / "domainnet/sketch"
    listed = tmp_path / "files.txt"
    chosen = [path.removeprefix("sketch/") for path in labels if "zebra" not in path]
    listed.write_text("".join(f"./{path} 5\n" for path in chosen))
    found = ingest(
        *("imagefolder", tmp_path / "chunk", "some", "--root", root, "--files", listed),
    )
    assert len(found.classes) == 3
    members = [one for shard in found.shards for _, one in read_samples(shard.path)]
    assert sorted(json.loads(one["json"])["path"] for one in members) == sorted(chosen)
