"""A look at all datasets of a study, and at what they have in common."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from gapmatch.config.study import Study
from gapmatch.download.sources.shards import ShardsSource
from gapmatch.download.sources.urls import UrlsSource
from gapmatch.inspection.findings import Look
from gapmatch.inspection.sources import look_at_labelled, look_at_links, look_at_shards
from gapmatch.inspection.subsets import look_at_subsets
from gapmatch.inspection.trainings import look_at_trainings

SHOWN = 5


def look_at_study(study: Study, rendered: Path) -> list[Look]:
    """Look at the pool, the reference and the test sets of a study, and at its trainings.

    Args:
        study: The study.
        rendered: Folder of the emoji study's rendered parts.
    """
    sources = {"reference": study.reference.source}
    sources |= {name: test.source for name, test in study.test_sets.items()}
    if study.styles and study.styles.examples:
        examples = [look_at_labelled("style_examples", study.styles.examples.within(rendered))]
    else:
        examples = []
    pool = _look_at_pool(study, rendered)
    labelled = [look_at_labelled(name, one.within(rendered)) for name, one in sources.items()]
    _compare_classes(labelled[0], labelled[1:])
    reference = labelled[0]
    if 0 < reference.images < study.reference.chunks:
        reference.error(
            f"only {reference.images:,} images for {study.reference.chunks:,} chunks: lower "
            "reference.chunks"
        )
    subsets = look_at_subsets(study, pool, examples[0] if examples else None)
    return [pool, *labelled, *examples, subsets, look_at_trainings(study, pool, reference)]


def _look_at_pool(study: Study, rendered: Path) -> Look:
    source, chunks = study.pool.source.within(rendered), study.pool.chunks
    if isinstance(source, ShardsSource):
        return look_at_shards(source, chunks)
    if isinstance(source, UrlsSource):
        return look_at_links(source, chunks)
    look = Look("pool")
    look.warning(f"sources of kind {source.kind} are not looked at")
    return look


def _compare_classes(reference: Look, test_sets: Sequence[Look]) -> None:
    """Add to each test set how many of its classes the reference has too."""
    if not reference.classes:
        return
    plain = {_plain(name): name for name in reference.classes}
    for look in test_sets:
        if not look.classes:
            continue
        absent = _absent(look, reference)
        shared = len(look.classes) - len(absent)
        look.facts["classes of the reference"] = f"{shared:,} of {len(look.classes):,}"
        spelled = [
            f"{name!r} ({plain[_plain(name)]!r})" for name in absent if _plain(name) in plain
        ]
        if spelled:
            look.warning(
                "classes that the reference spells differently, so they do not match: "
                f"{', '.join(spelled[:SHOWN])}{' ...' if len(spelled) > SHOWN else ''}; give both "
                "the same names"
            )
        elif not shared:
            look.warning(
                "shares no class with the reference, as sets of another field do: a model trained "
                "on the reference alone has seen none of them, and the table differences tells no "
                "share of the gain that remains. If the classes are the same, their names must be"
            )


def _absent(look: Look, reference: Look) -> list[str]:
    """Return the classes of a test set that the reference lacks: by ImageNet's where known."""
    if look.imagenet_indices and reference.imagenet_indices:
        known = {index for indices in reference.imagenet_indices for index in indices}
        pairs = zip(look.classes, look.imagenet_indices, strict=True)
        return [name for name, indices in pairs if known.isdisjoint(indices)]
    names = set(reference.classes)
    return [name for name in look.classes if name not in names]


def _plain(name: str) -> str:
    """Return a class name without what spellings differ in."""
    composed = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_-]+", " ", composed).strip()
