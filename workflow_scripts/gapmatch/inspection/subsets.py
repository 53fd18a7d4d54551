"""Whether the pool and the examples have what a study's subsets choose by."""

import polars as pl

from gapmatch.config.study import Study
from gapmatch.inspection.findings import Look
from gapmatch.subset.concepts import concepts_named, read_concepts
from gapmatch.subset.methods.balanced import BalancedSubset
from gapmatch.subset.methods.style import StyleSubset


def look_at_subsets(study: Study, pool: Look, examples: Look | None) -> Look:
    """Look at what subsets choose by: styles, classes and words of the pool's samples.

    Args:
        study: The study.
        pool: What was found of its pool.
        examples: What was found of the examples of styles, where the study has some.
    """
    look = Look("subsets")
    _look_at_styles(look, study, pool, examples)
    usable = pool.looked - pool.unusable
    for name, subset in study.subsets.items():
        if not isinstance(subset, BalancedSubset):
            continue
        if subset.words is None and usable and not pool.named:
            look.warning(
                f"subsets.{name} needs classes, but none of {usable:,} samples of the pool that "
                f"were looked at has a class_name in its .json: set subsets.{name}.words"
            )
        elif subset.words is not None:
            with look.errors():
                concepts = read_concepts(subset.words, f"subsets.{name}.words")
                _look_at_words(look, name, concepts, pool)
    return look


def _look_at_styles(look: Look, study: Study, pool: Look, examples: Look | None) -> None:
    """Add what is wrong with styles: samples without one, and names that do not occur."""
    if not study.styles:
        return
    usable = pool.looked - pool.unusable
    if examples is None and usable and not pool.styles:
        look.warning(
            f"styles has no examples, and none of {usable:,} samples of the pool that were looked "
            "at has a style in its .json: set styles.examples"
        )
    known = set(examples.classes) if examples else pool.styles
    if not known:
        return
    for name, subset in study.subsets.items():
        if isinstance(subset, StyleSubset):
            for style in sorted(set(subset.shares) - known):
                text = f"subsets.{name}.shares: no style is called {style}"
                # Of the pool only some samples are known.
                look.tell(f"{text}: found {', '.join(sorted(known))}", error=examples is not None)


def _look_at_words(look: Look, name: str, concepts: list[str], pool: Look) -> None:
    """Add how many captions contain a concept."""
    if not pool.captions:
        return
    found = concepts_named(pl.Series(pool.captions, dtype=pl.String), concepts)
    hits, number = len(set(found.sample.tolist())), len(pool.captions)
    look.facts[f"captions with a concept of {name}"] = f"{hits:,} of {number:,}"
    if not hits:
        look.warning(
            f"subsets.{name}.words: none of {number:,} captions contains any of its "
            f"{len(concepts):,} concepts, such as {concepts[0].strip()!r}"
        )
