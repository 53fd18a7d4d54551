"""Checks of a study that span its sections: each returns a line for every problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gapmatch.config.styles import EXAMPLES
from gapmatch.embed.embedders.classifier import ClassifierEmbedder
from gapmatch.evaluate.classifiers.trained import TrainedClassifier
from gapmatch.subset.methods.all import AllSubset
from gapmatch.subset.methods.none import NoneSubset

if TYPE_CHECKING:
    from gapmatch.config.study import Study


TAKEN = ("pool", "reference", EXAMPLES)
"""Names of datasets that no test set may have."""


def problems_across_sections(study: Study) -> list[str]:
    """Return all problems of a study whose sections are valid by themselves."""
    problems = [
        *_name_problems(study),
        *_source_problems(study),
        *_embedder_problems(study),
        *_classifier_problems(study),
        *_rank_problems(study),
        *_figure_problems(study),
    ]
    for name in study.subsets:
        problems += _subset_problems(study, name)
    return problems


def _problem(key: str, value: object, expected: str) -> str:
    return f"{key}: got {value!r}, expected {expected}"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)


def _name_problems(study: Study) -> list[str]:
    problems = [
        _problem("test_sets", name, f"a name other than {_listed(TAKEN)} (all are taken)")
        for name in study.test_sets
        if name.lower() in TAKEN
    ]
    for section in ("test_sets", "embedders", "subsets", "classifiers"):
        # A classifier stands beside the subsets in the evaluations and in every table of them.
        beside = study.subsets if section == "classifiers" else {}
        seen = {name.lower(): name for name in beside}
        for name in getattr(study, section):
            # Two names that differ in case only are one folder on some file systems.
            if other := seen.get(name.lower()):
                problems.append(
                    _problem(section, name, f"a name that does not collide with {other}")
                )
            seen[name.lower()] = name
    return problems


def _source_problems(study: Study) -> list[str]:
    sources = {"pool": study.pool.source, "reference": study.reference.source}
    if study.styles and study.styles.examples:
        sources["styles.examples"] = study.styles.examples
    sources |= {f"test_sets.{name}": test.source for name, test in study.test_sets.items()}
    problems = [
        _problem(*problem)
        for key, source in sources.items()
        for problem in source.problems(key, study)
    ]
    for name, test in study.test_sets.items():
        if test.metric and test.source.images_have != "class":
            expected = "no metric: only images with one class each have a choice"
            problems.append(_problem(f"test_sets.{name}.metric", test.metric, expected))
        if test.templates and test.source.images_have == "captions":
            expected = "no templates: its captions are taken as they are"
            problems.append(_problem(f"test_sets.{name}.templates", test.templates, expected))
    return list(dict.fromkeys(problems))  # two sources may have one problem


def _embedder_problems(study: Study) -> list[str]:
    used = {"search.embedder": study.search.embedder}
    if study.deduplicate:
        used["deduplicate.embedder"] = study.deduplicate.embedder
    if study.styles and study.styles.embedder:
        used["styles.embedder"] = study.styles.embedder
    if study.clusters and study.clusters.embedder:
        used["clusters.embedder"] = study.clusters.embedder
    if study.human_check:
        names = study.human_check.embedders or []
        used |= {f"human_check.embedders[{place}]": name for place, name in enumerate(names)}
    for name, subset in study.subsets.items():
        if own := getattr(subset, "embedder", None):
            used[f"subsets.{name}.embedder"] = own
    problems = [
        _problem(key, name, f"one of embedders: {_listed(study.embedders)}")
        for key, name in used.items()
        if name not in study.embedders
    ]
    trained = [
        name for name, kind in study.classifiers.items() if isinstance(kind, TrainedClassifier)
    ]
    for name, embedder in study.embedders.items():
        if isinstance(embedder, ClassifierEmbedder) and embedder.classifier not in trained:
            key = f"embedders.{name}.classifier"
            expected = f"one of classifiers of kind trained: {_listed(trained) or 'there is none'}"
            problems.append(_problem(key, embedder.classifier, expected))
    return problems


def _classifier_problems(study: Study) -> list[str]:
    known = [name for name, one in study.test_sets.items() if one.source.images_have != "captions"]
    expected = f"test_sets whose images have classes, each once: {_listed(known)}"
    return [
        _problem(f"classifiers.{name}.test_sets", one.test_sets, expected)
        for name, one in study.classifiers.items()
        if one.test_sets != "all"
        and (
            not one.test_sets
            or not set(one.test_sets) <= set(known)
            or len(set(one.test_sets)) < len(one.test_sets)
        )
    ]


def _rank_problems(study: Study) -> list[str]:
    stored = study.search.reference_neighbours
    return [
        _problem(
            "search.ranks",
            rank,
            f"ranks from 1 to search.reference_neighbours, which is {stored}",
        )
        for rank in study.search.ranks
        if not 1 <= rank <= stored
    ]


def _figure_problems(study: Study) -> list[str]:
    problems = []
    if study.figures.id_test_set not in study.test_sets:
        problems.append(
            _problem(
                "figures.id_test_set",
                study.figures.id_test_set,
                f"one of test_sets: {_listed(study.test_sets)}",
            )
        )
    elif study.test_sets[study.figures.id_test_set].source.images_have != "class":
        expected = "a test set whose images have one class each"
        problems.append(_problem("figures.id_test_set", study.figures.id_test_set, expected))
    for key, method in (("baseline", AllSubset), ("reference_only", NoneSubset)):
        name = getattr(study.figures, key)
        if not isinstance(study.subsets.get(name), method):
            problems.append(
                _problem(
                    f"figures.{key}",
                    name,
                    f"a subset of method {'all' if method is AllSubset else 'none'}",
                )
            )
    if study.figures.neighbours > study.search.reference_neighbours:
        problems.append(
            _problem(
                "figures.neighbours",
                study.figures.neighbours,
                f"at most search.reference_neighbours ({study.search.reference_neighbours})",
            )
        )
    return problems


def _subset_problems(study: Study, name: str) -> list[str]:
    subset = study.subsets[name]
    key = f"subsets.{name}"
    problems = []
    if getattr(subset, "test_sets", None) == []:
        problems.append(_problem(f"{key}.test_sets", [], "at least one name, or all"))
    problems += [
        _problem(f"{key}.test_sets", test_set, f"one of test_sets: {_listed(study.test_sets)}")
        for test_set in study.subset_test_sets(name)
        if test_set not in study.test_sets
    ]
    if isinstance(subset, NoneSubset) and not subset.reference:
        expected = "more than 0: nothing would be left to train on"
        problems.append(_problem(f"{key}.reference", subset.reference, expected))
    rank = getattr(subset, "rank", None)
    if rank is not None and rank not in study.search.ranks:
        expected = f"one of search.ranks: {_listed(study.search.ranks)}"
        problems.append(_problem(f"{key}.rank", rank, expected))
    if clusters := getattr(subset, "clusters", None):
        problems += _cluster_problems(study, f"{key}.clusters", clusters)
    if hasattr(subset, "shares") and study.styles is None:
        problems.append(f"{key}.shares: add a section styles to the study")
    if keep := getattr(subset, "keep", None):
        problems += _keep_problems(study, f"{key}.keep", keep)
    return problems


def _cluster_problems(study: Study, key: str, clusters: int) -> list[str]:
    if study.clusters is None:
        return [f"{key}: add a section clusters to the study"]
    if clusters > study.clusters.number:
        return [_problem(key, clusters, f"at most clusters.number, {study.clusters.number}")]
    return []


def _keep_problems(study: Study, key: str, keep: float | int | str) -> list[str]:
    if isinstance(keep, str):
        # The size is that of another selection, never of a subset that itself waits for a third.
        sized = [
            name
            for name, subset in study.subsets.items()
            if not (hasattr(subset, "keep") or isinstance(subset, AllSubset | NoneSubset))
        ]
        if keep not in sized:
            expected = (
                "a fraction, a number of samples, or a subset whose method gives it a size "
                f"(gap_match, balanced), of which the study has {_listed(sized) or 'none'}"
            )
            return [_problem(key, keep, expected)]
    elif isinstance(keep, int):
        largest = study.pool.source.most_samples(study)
        if largest is not None and keep > largest:
            return [_problem(key, keep, f"at most {largest}, as many as the pool can have")]
    return []
