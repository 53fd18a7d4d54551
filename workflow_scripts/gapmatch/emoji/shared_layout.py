"""Test sets of emoji in the layout that CLIP_benchmark's are shared in: shards and lists."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from gapmatch.data.shards import Members, write_shard
from gapmatch.emoji.artwork import STYLES
from gapmatch.emoji.captions import STYLE_FORMS
from gapmatch.emoji.classes import ClassChoice
from gapmatch.emoji.folders import PLAIN, requested
from gapmatch.emoji.rendering import Request, jpegs
from gapmatch.running.atomic import write_text

OTHER, CAPTIONED = "other", "captioned"
TEMPLATES = ("{c}", "{c} sticker", "{c} icon", "a picture of a {c}")
PER_SHARD = 500


def other_requests(choice: ClassChoice, seed: int, size: int, variants: int) -> list[Request]:
    """Plan a test set of classes that the reference lacks: Twemoji of the rest of the pool's."""
    known = {*choice.test, *choice.drawing}
    return [
        requested(OTHER, emoji, "twemoji", PLAIN, variants, seed, size)
        for emoji in choice.pool
        if emoji not in known
    ]


def captioned_requests(choice: ClassChoice, seed: int, size: int) -> list[Request]:
    """Plan a test set of retrieval: every test class, once in each style."""
    return [
        requested(CAPTIONED, emoji, style, PLAIN, 1, seed, size)
        for emoji in choice.test
        for style in STYLES
    ]


def write_labelled(requests: Sequence[Request], root: Path) -> None:
    """Write a test set of images with a class each, with class names and templates."""
    classes = list(dict.fromkeys(request.emoji for request in requests))

    def samples() -> Iterator[Members]:
        for request in requests:
            label = str(classes.index(request.emoji)).encode()
            for _, jpeg in jpegs(request):
                yield {"jpg": jpeg, "cls": label}

    _write_shards(samples(), root / "test", sum(len(request.paths) for request in requests))
    write_text(root / "classnames.txt", _lines(emoji.name for emoji in classes))
    write_text(root / "zeroshot_classification_templates.txt", _lines(TEMPLATES))


def write_captioned(requests: Sequence[Request], root: Path) -> None:
    """Write a test set of images with captions: all forms that tell an image's style."""

    def samples() -> Iterator[Members]:
        for request in requests:
            forms = STYLE_FORMS[request.style]
            captions = "\n".join(form.format(name=request.emoji.name) for form in forms)
            for _, jpeg in jpegs(request):
                yield {"jpg": jpeg, "txt": captions.encode()}

    _write_shards(samples(), root / "test", sum(len(request.paths) for request in requests))
    write_text(root / "dataset_type.txt", _lines(["retrieval"]))


def _write_shards(samples: Iterator[Members], folder: Path, number: int) -> None:
    folder.mkdir()
    shown = tqdm(samples, total=number, unit="image", mininterval=5)
    keyed = [(f"s{place:07d}", members) for place, members in enumerate(shown)]
    starts = range(0, len(keyed), PER_SHARD)
    for shard, start in enumerate(starts):
        write_shard(folder / f"{shard}.tar", keyed[start : start + PER_SHARD])
    write_text(folder / "nshards.txt", _lines([str(len(starts))]))


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
