"""The faster tokenizer: open_clip's tokens, for whatever people write."""

import importlib
from collections.abc import Iterator
from typing import Any

import emoji
import numpy as np
import open_clip
import open_clip.tokenizer
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.train import fast_tokens
from gapmatch.train.fast_tokens import tokenize_faster

UGLY = [
    "",
    " ",
    "\n\t\r\x0b\x0c\x1c\x1f\x85\u2028 ",
    "Caf\u00e9 \u2013 \u201cl\u2019\u00e9t\u00e9\u201d",
    "schÃ¶n &amp;amp; â€œqualityâ€\x9d &lt;b&gt; &#x2019; &nbsp;",
    "<start_of_text> a <END_OF_TEXT> b<end_of_text>",
    "it's I'VE we'LL don't 'S 'T d'D",
    "\ufb01ne \uff2c\uff2f\uff35\uff24 e\u0301 \u0130stanbul \u017fharp \u212a",
    "\u4e2d\u6587\u5b57\u7b26",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\ud55c\uad6d\uc5b4",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\x1b[31mred\x1b[0m \x00 \x7f \x80 \ufffe \ufeff",
    "x" * 300,
    "word " * 500,
    "1234567890 3.14 1,000,000 \u00bd \u2167 \u0663",
    "https://example.org/a_b-c?d=e&f=%20#g __init__ a/b\\c (\u2022\u0300\u1d17\u2022\u0301)",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
]


@pytest.fixture(scope="module")
def tokenizers() -> Iterator[tuple[Any, Any]]:
    """open_clip's own, which cleans as open_clip does, and the faster one."""
    own = open_clip.tokenizer.SimpleTokenizer()
    clean = open_clip.tokenizer.basic_clean
    faster = tokenize_faster(open_clip.get_tokenizer)("ViT-B-32")

    def cleaning_itself(texts: list[str]) -> torch.Tensor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(open_clip.tokenizer, "basic_clean", clean)
            return own(texts)

    yield cleaning_itself, faster
    importlib.reload(open_clip.tokenizer)


def test_ugly_captions_and_all_names_of_emoji(tokenizers: tuple[Any, Any]) -> None:
    own, faster = tokenizers
    names = [
        text
        for data in emoji.EMOJI_DATA.values()
        for language, text in data.items()
        if isinstance(text, str) and len(language) == 2
    ]
    rng = np.random.default_rng(0)
    words = [word for text in UGLY + names for word in text.split()]
    mixed = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(6000)]
    captions = UGLY + names + [name.replace("_", " ").strip(":") for name in names] + mixed
    assert len(captions) > 16_000
    for first in range(0, len(captions), 1000):
        some = captions[first : first + 1000]
        assert torch.equal(faster(some), own(some))


@settings(max_examples=500)
@given(text=st.text(max_size=100) | st.text(st.characters(max_codepoint=126), max_size=100))
def test_any_text(tokenizers: tuple[Any, Any], text: str) -> None:
    own, faster = tokenizers
    for one in (text, text + "&amp;", f"\u00e9 {text}"):
        assert torch.equal(faster([one]), own([one]))


@settings(max_examples=500)
@given(text=st.from_regex(fast_tokens.PLAIN, fullmatch=True))
def test_nothing_is_cleaned_of_plain_text(tokenizers: tuple[Any, Any], text: str) -> None:
    own, faster = tokenizers
    assert torch.equal(faster([text]), own([text]))


def test_the_memory_of_words_is_bounded(tokenizers: tuple[Any, Any]) -> None:
    _, faster = tokenizers
    before = len(faster.cache)
    faster([f"w{number:x}" for number in range(2000)])
    assert len(faster.cache) == before


def test_other_tokenizers_are_left_alone() -> None:
    own = object()
    assert tokenize_faster(lambda: own)() is own  # type: ignore[arg-type, return-value]
