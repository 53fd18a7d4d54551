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
from gapmatch.style.style_classifier import read_classifier
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
    asked = ("--styles", study.root / "styles", "--shares", "photo", 0.5, "sculpture", 0.5)
    with pytest.raises(InputError, match="for 10 samples of the style sculpture, but the pool has"):
        study.select("some", "style", *asked, "--keep", 20, duplicates=False)


def test_a_pool_that_tells_no_style_needs_examples(make_study):
    with pytest.raises(InputError, match=r"no sample of the pool tells its style: give"):
        styled(make_study(), known=0)
    with pytest.raises(InputError, match=r"the examples are of .* alone: expected two styles"):
        styled(make_study(), known=1)
