"""Subsets of method style: exact shares, whatever the chunks."""

import json

import numpy as np
import polars as pl
import pytest
from made_embeddings import SIZES
from pydantic import ValidationError

import assign_styles
import learn_styles
from gapmatch.data.embedding_files import embedding_path, metadata_path
from gapmatch.running.errors import InputError
from gapmatch.style.style_classifier import hold_out, read_classifier
from gapmatch.subset.methods.style import StyleSubset, divided


def with_styles(study, known=60):
    """Give the samples of the pool styles by their first coordinate, and five classes."""
    start = 0
    for chunk, size in zip(study.chunks, study.sizes, strict=True):
        path = metadata_path(study.root / "embeddings/pool", chunk)
        first = study.vectors["pool"][start : start + size, 0].astype(np.float32)
        style = np.where(first > 0.2, "photo", np.where(first < -0.2, "drawing", "other"))
        told = [
            str(name) if start + row < known else None for row, name in enumerate(style.tolist())
        ]
        columns = {
            "style": pl.Series(told, dtype=pl.String),
            "class_name": pl.Series(
                [f"class {(start + row) % 5}" for row in range(size)], dtype=pl.String
            ),
        }
        pl.read_parquet(path).with_columns(**columns).write_parquet(path)
        start += size


def styled(study, threshold=0.0, known=60):
    """Learn and assign styles; return what was learned, and the style of every pool sample."""
    with_styles(study, known)
    folder = study.root / "styles"
    study.run(
        learn_styles,
        *(*study.pool, "--from-pool", "--threshold", threshold, "--held-out", 0.4),
        *("--max-examples", 1000, "--seed", 0, "--out", folder / "classifier.npz"),
        *("--summary", folder / "learned.json"),
    )
    for chunk in study.chunks:
        study.run(
            assign_styles,
            *("--img-emb", embedding_path(study.root / "embeddings/pool", chunk)),
            *("--classifier", folder / "classifier.npz", "--threshold", threshold),
            *("--out", folder / f"styles_{chunk}.parquet"),
        )
    tables = [pl.read_parquet(folder / f"styles_{chunk}.parquet") for chunk in study.chunks]
    return json.loads((folder / "learned.json").read_text()), pl.concat(tables)


def test_what_is_learned_is_told_on_whole_classes_that_were_not_seen(make_study):
    study = make_study()
    learned, table = styled(study, threshold=0.4)
    assert learned["styles"] == ["drawing", "other", "photo"]
    assert (learned["examples"], learned["held_out"]) == (36, 24)
    assert learned["held_out_classes"] == 2
    assert sum(row["n"] for row in learned["confusion"]) == 24
    classifier = read_classifier(study.root / "styles/classifier.npz")
    vectors = study.vectors["pool"].astype(np.float64)
    scores = vectors @ classifier.weights.T + classifier.biases
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table["probability"], chances.max(axis=1), rtol=1e-6)
    names = [classifier.styles[row.argmax()] if row.max() >= 0.4 else None for row in chances]
    assert table["style"].to_list() == names
    # What the classifier was not shown, counted again.
    held = np.random.default_rng(0).permutation(5)[:2]
    unseen = [row for row in range(60) if row % 5 in held]
    first = vectors[:, 0]
    truth = ["photo" if x > 0.2 else "drawing" if x < -0.2 else "other" for x in first]
    for row in learned["confusion"]:
        pairs = [(truth[i], names[i]) for i in unseen]
        assert pairs.count((row["style"], row["assigned"])) == row["n"]
    right = sum(row["n"] for row in learned["confusion"] if row["style"] == row["assigned"])
    assert right / 24 > 0.7


@pytest.mark.parametrize(
    ("shares", "keep"), [({"photo": 1.0}, None), ({"photo": 0.25, "drawing": 0.75}, 17)]
)
def test_shares_are_exact_and_do_not_depend_on_chunks(make_study, shares, keep):
    kept = []
    for sizes in (SIZES, (60,)):
        study = make_study(sizes)
        _, table = styled(study)
        options = [word for pair in shares.items() for word in pair]
        size = ("--keep", keep) if keep else ()
        summary = study.select(
            "some",
            "style",
            *("--styles", study.root / "styles", "--shares", *options, *size, "--seed", 3),
            duplicates=False,
        )
        kept.append(study.kept("some").tolist())
        of_kept = table["style"].to_numpy()[kept[-1]].tolist()
        number = keep or table["style"].to_list().count("photo")
        assert len(of_kept) == summary["kept"] == number
        wanted = divided(number, shares)
        assert {name: of_kept.count(name) for name in shares} == wanted
        others = sum(name not in shares for name in table["style"])
        assert summary["pruned_by"] == {"other_style": others, "style": 60 - others - number}
        for group, name in enumerate(sorted(shares)):
            places = np.flatnonzero(table["style"].to_numpy() == name)
            order = np.random.default_rng([3, group]).permutation(len(places))[: wanted[name]]
            expected = set(places[order].tolist())
            assert expected == {row for row in kept[-1] if table["style"][row] == name}
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("number", "shares", "parts"),
    [
        (10, {"a": 0.5, "b": 0.5}, {"a": 5, "b": 5}),
        (11, {"a": 0.5, "b": 0.5}, {"a": 6, "b": 5}),
        (10, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"a": 4, "b": 3, "c": 3}),
        (10, {"b": 0.29, "a": 0.71}, {"a": 7, "b": 3}),
        (10, {"a": 0.1, "b": 0.2, "c": 0.7}, {"a": 1, "b": 2, "c": 7}),
        (10**7, dict.fromkeys("abc", 0.3333336), {"a": 3333334, "b": 3333333, "c": 3333333}),
    ],
)
def test_a_number_is_divided_without_a_rest(number, shares, parts):
    assert divided(number, shares) == parts


@pytest.mark.parametrize(
    "keys",
    [
        {"shares": {"photo": 0.5, "drawing": 0.5}},
        {"shares": {"photo": 0.5}, "keep": 10},
        {"shares": {"photo": 1.5, "drawing": -0.5}, "keep": 10},
        {"shares": {}},
    ],
)
def test_shares_that_cannot_be_kept_are_refused(keys):
    with pytest.raises(ValidationError):
        StyleSubset(method="style", **keys)


def test_what_the_pool_does_not_hold_is_refused(make_study):
    study = make_study()
    styled(study)
    shares = ("--styles", study.root / "styles", "--shares")
    with pytest.raises(InputError, match="no style is called sculpture: expected one of drawing,"):
        study.select("some", "style", *shares, "sculpture", 1, duplicates=False)
    asked = (*shares, "photo", 0.5, "drawing", 0.5)
    with pytest.raises(InputError, match=r"needs 30 samples of the style \w+, but only \d+ of"):
        study.select("some", "style", *asked, "--keep", 60, duplicates=False)
    styled(study, threshold=0.9999)
    with pytest.raises(InputError, match="needs 1 samples of the style photo, but only 0 of"):
        study.select("some", "style", *shares, "photo", 1, duplicates=False)


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04 cut", np.zeros(3)], ids=str)
def test_a_classifier_that_is_none_is_refused(tmp_path, contents):
    path = tmp_path / "classifier.npz"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        with path.open("wb") as file:
            np.save(file, contents)
    with pytest.raises(InputError, match=r"classifier\.npz: not a style classifier \("):
        read_classifier(path)


def test_a_classifier_of_other_embeddings_is_refused(make_study):
    study = make_study()
    styled(study)
    np.save(study.root / "other.npy", np.ones((3, 2), np.float16))
    with pytest.raises(InputError, match=r"of 6 dimensions, and .*other\.npy has 2"):
        study.run(
            assign_styles,
            *("--img-emb", study.root / "other.npy", "--threshold", 0),
            *("--classifier", study.root / "styles/classifier.npz"),
            *("--out", study.root / "styles/other.parquet"),
        )


@pytest.mark.parametrize(("share", "number"), [(0.01, 1), (0.5, 2), (0.99, 4)])
def test_something_is_held_out_and_something_is_not(share, number):
    groups = ["a", "b", "c", "a", "d", "e"]
    held = {group for group, out in zip(groups, hold_out(groups, share, 0), strict=True) if out}
    assert len(held) == number


def test_a_pool_that_tells_no_style_needs_examples(make_study):
    with pytest.raises(InputError, match=r"no sample of the pool has a style: set"):
        styled(make_study(), known=0)
    with pytest.raises(InputError, match=r"the examples to train on are of one style \("):
        styled(make_study(), known=1)
