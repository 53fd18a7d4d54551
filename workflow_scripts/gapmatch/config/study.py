"""The whole config of a study and the checks that span its sections."""

from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, Union

from pydantic import Field, ValidationError, model_validator

from gapmatch.config.checks import problems_across_sections
from gapmatch.config.clusters import Clusters
from gapmatch.config.compute import Compute
from gapmatch.config.datasets import Pool, Reference, TestSet
from gapmatch.config.deduplicate import Deduplicate
from gapmatch.config.download import Download
from gapmatch.config.emoji import Emoji
from gapmatch.config.evaluation import Evaluation
from gapmatch.config.families import Expanded, expand
from gapmatch.config.figures import Figures
from gapmatch.config.human_check import HumanCheck
from gapmatch.config.messages import describe, known_keys
from gapmatch.config.search import Search
from gapmatch.config.styles import Styles
from gapmatch.config.training import Training
from gapmatch.embed.embedder import EmbedderSettings, embedders
from gapmatch.evaluate.classifier import ClassifierSettings, classifiers
from gapmatch.kinds.section import Name, Section
from gapmatch.running.errors import InputError
from gapmatch.subset.method import SubsetSettings, methods
from gapmatch.subset.methods.all import AllSubset
from gapmatch.subset.methods.none import NoneSubset

if TYPE_CHECKING:
    Subset: TypeAlias = SubsetSettings
    Embedder: TypeAlias = EmbedderSettings
    Classifier: TypeAlias = ClassifierSettings
else:
    Subset = Annotated[
        Union[tuple(one.settings for one in methods().values())],  # noqa: UP007
        Field(discriminator="method"),
    ]
    Embedder = Annotated[
        Union[tuple(one.settings for one in embedders().values())],  # noqa: UP007
        Field(discriminator="kind"),
    ]
    Classifier = Annotated[
        Union[tuple(one.settings for one in classifiers().values())],  # noqa: UP007
        Field(discriminator="kind"),
    ]


class Study(Section):
    """A study: datasets, embedders, subsets, and what is trained and measured on them."""

    study: Name = Field(description="Name of the study, and of its folder in results/.")
    emoji: Emoji = Field(Emoji(), description="Rendering of the emoji artwork.")
    pool: Pool = Field(description="The web dataset that is pruned.")
    reference: Reference = Field(description="The training set whose similarity is replicated.")
    test_sets: dict[Name, TestSet] = Field(
        min_length=1,
        description="The labelled test sets, by name.",
    )
    download: Download = Field(Download(), description="How links are fetched.")
    embedders: dict[Name, Embedder] = Field(
        min_length=1, description="Models that embed images, by name."
    )
    deduplicate: Deduplicate | None = Field(
        None, description="Deduplication of the pool; null leaves it out."
    )
    search: Search = Field(Search(), description="The similarity search.")
    clusters: Clusters | None = Field(
        None, description="Clusters of the pool; null: none, and no subsets of method diverse."
    )
    styles: Styles | None = Field(
        None, description="Styles of the pool's images; null: none, and no subsets of method style."
    )
    subsets: dict[Name, Subset] = Field(
        {"baseline": AllSubset(method="all"), "reference_only": NoneSubset(method="none")},
        min_length=1,
        description="Subsets of the pool, by name. Each is trained on, with the reference. A name "
        "with keys in braces, such as near_{keep}, stands for a subset of each of their values.",
    )
    training: Training = Field(description="Training of one CLIP model per subset.")
    evaluation: Evaluation = Field(Evaluation(), description="Zero-shot evaluation.")
    classifiers: dict[Name, Classifier] = Field(
        {},
        description="Image classifiers trained on the reference alone, by name: supervised "
        "baselines beside the CLIP models.",
    )
    figures: Figures = Field(Figures(), description="What the figures show, and of what.")
    human_check: HumanCheck | None = Field(
        None, description="The human check of the similarity metric; null: no page of trials."
    )
    compute: Compute = Field(Compute(), description="Settings of speed: they rerun nothing.")

    def subset_test_sets(self, name: str) -> list[str]:
        """Return the test sets that subset ``name`` is selected against, sorted by name."""
        chosen = getattr(self.subsets[name], "test_sets", [])
        return sorted(self.test_sets) if chosen == "all" else sorted(chosen)

    def subset_embedder(self, name: str) -> str:
        """Return the embedder whose similarity selects subset ``name``; else that of the search."""
        return getattr(self.subsets[name], "embedder", None) or self.search.embedder

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        problems = problems_across_sections(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _without_families(values: dict[str, Any]) -> Expanded:
    """Return the subsets of a study as they are without families."""
    test_sets = values.get("test_sets")
    return expand(values["subsets"], test_sets if isinstance(test_sets, dict) else {})


def _of_families(lines: list[str], families: dict[str, str]) -> list[str]:
    """Return messages that name the families of subsets as they were written, each once."""
    for place, line in enumerate(lines):
        section, _, rest = line.partition(".")
        name, dot, key = rest.partition(".")
        if section == "subsets" and dot and name in families:
            lines[place] = f"subsets.{families[name]}.{key}"
    return list(dict.fromkeys(lines))


def parse_study(values: dict[str, Any], name: str) -> Study:
    """Validate the values of a config file.

    Args:
        values: The parsed YAML.
        name: The file's name, for messages.

    Raises:
        InputError: One message with a line for every problem: key, value, what is allowed.
    """
    lines: list[str] = []
    families: dict[str, str] = {}
    if isinstance(values.get("subsets"), dict):
        subsets, families, lines = _without_families(values)
        values = {**values, "subsets": subsets}
    try:
        if not lines:
            return Study.model_validate(values)
    except ValidationError as error:
        known = known_keys(Study.model_json_schema())
        lines = _of_families(describe(error, values, known), families)
    indented = "\n".join(f"  {line}" for line in lines)
    raise InputError(f"{name} is not a valid study:\n{indented}")
