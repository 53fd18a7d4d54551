"""The whole config of a study and the checks that span its sections."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, Union

from braceexpand import braceexpand
from pydantic import Field, ValidationError, model_validator

from gapmatch.config.classification import Classifier, TrainedClassifier
from gapmatch.config.datasets import (
    Download,
    Emoji,
    EmojiSource,
    Pool,
    Reference,
    ShardsSource,
    TestSet,
)
from gapmatch.config.embedding import ClassifierEmbedder, Embedder, TrainedEmbedder
from gapmatch.config.families import expand
from gapmatch.config.messages import describe
from gapmatch.config.reporting import Compute, Evaluation, Figures
from gapmatch.config.similarity import Deduplicate, Search
from gapmatch.config.training import Training
from gapmatch.kinds.section import Name, Section
from gapmatch.running.errors import InputError
from gapmatch.subset.method import SubsetSettings, methods
from gapmatch.subset.methods.all import AllSubset
from gapmatch.subset.methods.gap_match import GapMatchSubset
from gapmatch.subset.methods.none import NoneSubset

if TYPE_CHECKING:
    Subset: TypeAlias = SubsetSettings
else:
    Subset = Annotated[
        Union[tuple(method.settings for method in methods().values())],  # noqa: UP007
        Field(discriminator="method"),
    ]

STYLES_PER_CLASS = 3  # twemoji, colour, line


class Study(Section):
    """A study: datasets, embedders, subsets, and what is trained and measured on them."""

    study: Name = Field(description="Name of the study: its results are results/<study>/.")
    emoji: Emoji = Field(Emoji(), description="Rendering of the emoji artwork.")
    pool: Pool = Field(Pool(), description="The web dataset that is pruned.")
    reference: Reference = Field(
        Reference(), description="The training set whose similarity is replicated."
    )
    test_sets: dict[Name, TestSet] = Field(
        {"val": TestSet(source=EmojiSource(kind="emoji", part="val"))},
        min_length=1,
        description="The labelled test sets, by name.",
    )
    download: Download = Field(Download(), description="How links are fetched.")
    embedders: dict[Name, Embedder] = Field(
        {"trained": TrainedEmbedder(kind="trained")},
        min_length=1,
        description="Models that embed images, by name.",
    )
    deduplicate: Deduplicate | None = Field(
        None, description="Deduplication of the pool; null leaves it out."
    )
    search: Search = Field(Search(), description="The similarity search.")
    subsets: dict[Name, Subset] = Field(
        {"baseline": AllSubset(method="all"), "reference_only": NoneSubset(method="none")},
        min_length=1,
        description="Subsets of the pool, by name. Each is trained on, with the reference. A name "
        "with keys in braces, such as near_{keep}, stands for a subset of each of their values.",
    )
    training: Training = Field(Training(), description="Training of one CLIP model per subset.")
    evaluation: Evaluation = Field(Evaluation(), description="Zero-shot evaluation.")
    classifiers: dict[Name, Classifier] = Field(
        {},
        description="Image classifiers trained on the reference alone, by name: supervised "
        "baselines beside the CLIP models.",
    )
    figures: Figures = Field(Figures(), description="What the figures show, and of what.")
    compute: Compute = Field(Compute(), description="Settings of speed: they re-run nothing.")

    def subset_test_sets(self, name: str) -> list[str]:
        """Return the test sets that subset ``name`` is selected against, sorted by name."""
        chosen = getattr(self.subsets[name], "test_sets", [])
        return sorted(self.test_sets) if chosen == "all" else sorted(chosen)

    def subset_embedder(self, name: str) -> str:
        """Return the embedder whose similarity selects subset ``name``; else that of the search."""
        return getattr(self.subsets[name], "embedder", None) or self.search.embedder

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        problems = [
            *_name_problems(self),
            *_emoji_problems(self),
            *_shard_problems(self),
            *_embedder_problems(self),
            *_rank_problems(self),
            *_figure_problems(self),
        ]
        for name in self.subsets:
            problems += _subset_problems(self, name)
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _problem(key: str, value: object, expected: str) -> str:
    return f"{key}: got {value!r}, expected {expected}"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)


def _name_problems(study: Study) -> list[str]:
    problems = [
        _problem("test_sets", name, "a name other than pool and reference (both are taken)")
        for name in study.test_sets
        if name.lower() in {"pool", "reference"}
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


def _emoji_problems(study: Study) -> list[str]:
    sources = {"pool": study.pool.source, "reference": study.reference.source}
    sources |= {f"test_sets.{name}": test.source for name, test in study.test_sets.items()}
    parts = {key: source.part for key, source in sources.items() if isinstance(source, EmojiSource)}
    problems = []
    for key, part in parts.items():
        training = {"pool", "reference"}
        if key in training and part != key:
            problems.append(_problem(f"{key}.source.part", part, key))
        elif key not in training and part in training:
            problems.append(_problem(f"{key}.source.part", part, "a part that is a test set"))
    emoji = study.emoji
    if parts and emoji.test_classes + emoji.drawing_classes > emoji.pool_classes:
        problems.append(
            _problem(
                "emoji.pool_classes",
                emoji.pool_classes,
                "at least test_classes + drawing_classes, "
                f"{emoji.test_classes + emoji.drawing_classes}",
            )
        )
    return problems


def _shard_problems(study: Study) -> list[str]:
    source, chunks = study.pool.source, study.pool.chunks
    if not isinstance(source, ShardsSource):
        return []
    shards = sum(1 for _ in braceexpand(source.shards))
    if shards >= chunks:
        return []
    return [_problem("pool.chunks", chunks, f"at most the number of shards, {shards}")]


def _embedder_problems(study: Study) -> list[str]:
    used = {"search.embedder": study.search.embedder}
    if study.deduplicate:
        used["deduplicate.embedder"] = study.deduplicate.embedder
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
    if keep := getattr(subset, "keep", None):
        problems += _keep_problems(study, f"{key}.keep", keep)
    return problems


def _keep_problems(study: Study, key: str, keep: float | int | str) -> list[str]:
    if isinstance(keep, str):
        # The size is that of another selection, never of a subset that itself waits for a third.
        sized = [
            name for name, subset in study.subsets.items() if isinstance(subset, GapMatchSubset)
        ]
        if keep not in sized:
            expected = f"a fraction, a number, or a subset of method gap_match: {_listed(sized)}"
            return [_problem(key, keep, expected)]
    elif isinstance(keep, int):
        largest = largest_pool(study)
        if largest is not None and keep > largest:
            return [_problem(key, keep, f"at most the pool's size, {largest}")]
    return []


def largest_pool(study: Study) -> int | None:
    """Return how many samples the pool can have at most, or None where only its files tell."""
    if not isinstance(study.pool.source, EmojiSource):
        return None
    emoji = study.emoji
    rendered = emoji.pool_classes * STYLES_PER_CLASS * emoji.pool_variants
    # Each image has at most one copy of either kind; faults never enter the pool.
    copies = (emoji.duplicates > 0) + (emoji.near_duplicates > 0)
    return rendered * (1 + copies)


def _without_families(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a study whose families of subsets are replaced by their members, and problems."""
    subsets, test_sets = values.get("subsets"), values.get("test_sets")
    if not isinstance(subsets, dict):
        return values, []
    named = test_sets if isinstance(test_sets, dict) else {}
    every, problems = expand(subsets, named)
    return {**values, "subsets": every}, problems


def parse_study(values: dict[str, Any], name: str) -> Study:
    """Validate the values of a config file.

    Args:
        values: The parsed YAML.
        name: The file's name, for messages.

    Raises:
        InputError: One message with a line for every problem: key, value, what is allowed.
    """
    values, lines = _without_families(values)
    try:
        if not lines:
            return Study.model_validate(values)
    except ValidationError as error:
        lines = describe(error, values)
    indented = "\n".join(f"  {line}" for line in lines)
    raise InputError(f"{name} is not a valid study:\n{indented}")
