"""Subsets of method balanced against plain loops over captions."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_embeddings import SIZES

from gapmatch.data.embedding_files import metadata_path
from gapmatch.running.errors import InputError
from gapmatch.subset.concepts import concepts_named, read_concepts

CONCEPTS = ["Fox", "red fox", "sea or lake", "café", "fox-trot", "fox"]
CAPTIONS = [
    "A red fox, and a RED FOX.",
    "foxes",
    "fox-trot by the sea or lake",
    None,
    "Le café — fox",
    "sea, or lake",
    "",
]


def plain(text: str) -> str:
    """Return the words of a text, one space before and after each."""
    return " " + " ".join(re.findall(r"[^\W_]+", text.lower())) + " "


def named(caption: str | None, concepts: list[str]) -> list[int]:
    return [place for place, one in enumerate(concepts) if one in plain(caption or "")]


def drawn(having: list[list[int]], concepts: int, cap: int, seed: int) -> list[int]:
    """Return which samples are kept, by a loop over concepts."""
    kept = set()
    for concept in range(concepts):
        members = [sample for sample, of in enumerate(having) if concept in of]
        order = np.random.default_rng([seed, concept]).permutation(len(members))
        kept |= {members[place] for place in order[:cap]}
    return sorted(kept)


def with_metadata(study, captions, classes):
    """Give the samples of the pool captions and classes."""
    start = 0
    for chunk, size in zip(study.chunks, study.sizes, strict=True):
        path = metadata_path(study.root / "embeddings/pool", chunk)
        part = slice(start, start + size)
        columns = {"caption": captions[part], "class_name": classes[part]}
        columns = {name: pl.Series(values, dtype=pl.String) for name, values in columns.items()}
        pl.read_parquet(path).with_columns(**columns).write_parquet(path)
        start += size


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n".join([*CONCEPTS, "", " - "]), encoding="utf-8-sig")
    return path


def test_how_an_emoji_looks_is_no_word(listed):
    listed.write_text("\u2764\ufe0f\nred \u2764\ufe0f heart\n1\ufe0f\u20e3\n", encoding="utf-8")
    assert read_concepts(listed, "k") == [" 1 ", " red heart "]


def test_concepts_are_read_once_each(listed):
    found = read_concepts(listed, "k")
    assert found == [" café ", " fox ", " fox trot ", " red fox ", " sea or lake "]
    listed.write_text("\n - \n")
    with pytest.raises(InputError, match=r"^k: .*words\.txt holds no words"):
        read_concepts(listed, "k")
    listed.write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"^k: .*words\.txt cannot be read.*UTF-8, a concept"):
        read_concepts(listed, "k")


@given(
    st.lists(
        st.one_of(st.none(), st.text(alphabet="aAé -'1.,\nb", max_size=30)), min_size=1, max_size=8
    )
)
def test_captions_name_whole_words(captions):
    concepts = sorted({" a ", " a a ", " é ", " 1 ", " b a ", " ab "})
    found = concepts_named(pl.Series(captions, dtype=pl.String), concepts)
    expected = [
        (sample, concept)
        for sample, caption in enumerate(captions)
        for concept in named(caption, concepts)
    ]
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


@pytest.mark.parametrize(("cap", "seed"), [(3, 0), (7, 1), (10**30, 0)])
@pytest.mark.parametrize("by", ["captions", "classes"])
def test_concepts_have_so_many_samples(make_study, listed, by, cap, seed):
    rng = np.random.default_rng(2)
    captions = [CAPTIONS[place] for place in rng.integers(len(CAPTIONS), size=60)]
    classes = [[None, "cat", "dog", "Dog"][place] for place in rng.integers(4, size=60)]
    concepts = read_concepts(listed, "k") if by == "captions" else ["Dog", "cat", "dog"]
    if by == "captions":
        having = [named(caption, concepts) for caption in captions]
    else:
        having = [[concepts.index(one)] if one else [] for one in classes]
    sizes = np.bincount(np.concatenate(having).astype(int), minlength=len(concepts))
    most = min(cap, 60)
    kept = []
    for chunks in (SIZES, (60,)):
        study = make_study(chunks)
        with_metadata(study, captions, classes)
        more = ("--words", listed) if by == "captions" else ()
        summary = study.select(
            "some", "balanced", *more, "--cap", cap, "--seed", seed, duplicates=False
        )
        kept.append(study.kept("some").tolist())
        assert summary["kept"] == len(kept[-1])
        assert summary["concepts"] == (sizes > 0).sum()
        assert summary["capped"] == (sizes > most).sum()
        without = sum(not of for of in having)
        assert summary["pruned_by"]["no_concept"] == without
    assert kept[0] == kept[1] == drawn(having, len(concepts), cap, seed)
    of_kept = np.bincount(np.concatenate([having[sample] for sample in kept[0]]).astype(int))
    assert (of_kept >= np.minimum(sizes, most)).all()
    if by == "classes":
        assert of_kept.tolist() == np.minimum(sizes, most).tolist()


def test_a_pool_without_classes_needs_words(make_study):
    study = make_study()
    with_metadata(study, [None] * 60, [None] * 60)
    with pytest.raises(InputError, match=r"subsets\.some .*no sample .* has one: set"):
        study.select("some", "balanced", "--cap", 3, duplicates=False)


def test_words_that_no_caption_contains_are_refused(make_study, listed):
    study = make_study()
    with_metadata(study, ["a cat"] * 60, [None] * 60)
    with pytest.raises(InputError, match=r"subsets\.some\.words: no caption .* of the 5 concepts"):
        study.select("some", "balanced", "--words", listed, "--cap", 3, duplicates=False)
