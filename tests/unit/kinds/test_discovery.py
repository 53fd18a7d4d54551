"""A module that is not as its users expect is told of before anything runs."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from programs import ROOT

from gapmatch.config import parse_study
from gapmatch.config.results import Results
from gapmatch.download import source
from gapmatch.embed import embedder
from gapmatch.evaluate import classifier
from gapmatch.kinds.discovery import found
from gapmatch.kinds.section import Section
from gapmatch.results import shown
from gapmatch.subset import method

COPY = "from {module} import *\nfrom {module} import {attribute} as original\n"


def copied(folder: Path, attribute: str, module: str, change: str = "original") -> str:
    """Make a package whose one module, ``other``, is another's, changed; return its name."""
    name = f"changed{abs(hash(folder))}"
    package = folder / name
    package.mkdir()
    (package / "__init__.py").touch()
    text = COPY.format(module=module, attribute=attribute)
    text += f"from dataclasses import replace\n{attribute} = {change}\n"
    (package / "other.py").write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    ("attribute", "module", "kind", "check", "expected"),
    [
        (
            "METHOD",
            "gapmatch.subset.methods.near",
            method.Method,
            method._check,
            r'method: Literal\["other"\] in NearSubset',
        ),
        (
            "SOURCE",
            "gapmatch.download.sources.shards",
            source.Source,
            source._check,
            r'kind: Literal\["other"\] in ShardsSource',
        ),
        (
            "EMBEDDER",
            "gapmatch.embed.embedders.timm",
            embedder.Embedder,
            embedder._check,
            r'kind: Literal\["other"\] in TimmEmbedder',
        ),
        (
            "CLASSIFIER",
            "gapmatch.evaluate.classifiers.timm",
            classifier.Classifier,
            classifier._check,
            r'kind: Literal\["other"\] in PublishedClassifier',
        ),
    ],
)
def test_settings_are_chosen_by_the_name_of_their_module(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    module: str,
    kind: type,
    check: Callable[[str, object], None],
    expected: str,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = copied(tmp_path, attribute, module)
    with pytest.raises(TypeError, match=rf"other\.py: expected {expected}"):
        found(package, attribute, kind, check)
    assert f"{package}.other" in sys.modules


def test_a_module_defines_what_its_package_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = copied(tmp_path, "METHOD", "gapmatch.subset.methods.near", "None")
    with pytest.raises(TypeError, match=r"other\.py: expected METHOD = Method\(\.\.\.\)"):
        found(package, "METHOD", method.Method, method._check)


def test_a_method_selects_by_its_keys() -> None:
    near = method.methods()["near"]
    method._check("near", near)
    with pytest.raises(TypeError, match="select to take the arguments similarity, size, test_sets"):
        method._check("near", replace(near, select=method.methods()["all"].select))

    def more(*, selection: object, similarity: Path, test_sets: str, size: int, low: float) -> None:
        pass

    with pytest.raises(TypeError, match="more to have a default for low: nothing passes it"):
        method._check("near", replace(near, select=more))
    with pytest.raises(TypeError, match=r"class Near\(SubsetSettings\)"):
        method._check("near", replace(near, settings=type("Near", (Section,), {})))


@dataclass
class Band:
    """Bounds, options of a program."""

    low: float
    high: float


def test_options_of_a_program_may_be_a_dataclass_or_any() -> None:
    near = method.methods()["near"]

    def grouped(
        *, selection: object, similarity: Path, test_sets: str, size: int, band: Band
    ) -> None:
        pass

    def any_option(*, selection: object, **options: object) -> None:
        pass

    for select in (grouped, any_option):
        method._check("near", replace(near, select=select))


def test_an_embedder_is_loaded_by_its_own_module_or_a_named_one() -> None:
    timm = embedder.embedders()["timm"]
    other = type("Other", (timm.settings,), {"library": "open_clip"})
    with pytest.raises(TypeError, match=r'library: ClassVar\[str\] = "timm", got "open_clip"'):
        embedder._check("timm", replace(timm, settings=other))
    lost = type("Lost", (timm.settings,), {"library": "tim"})
    with pytest.raises(TypeError, match="the module of another kind as library: tim"):
        embedder._check("timm", replace(timm, settings=lost, load=None))


def test_a_table_takes_what_it_needs_and_no_more() -> None:
    results = Results(
        parse_study(yaml.safe_load((ROOT / "config.yaml").read_text()), "config.yaml")
    )
    table = shown.tables()["duplicates"]
    assert set(table.needed(results, {}).settings) == {"out", "threshold"}

    def other(*, nearest: Path, thresold: float, out: Path) -> None:
        pass

    with pytest.raises(TypeError, match=r"duplicates\.py: .*other to take .* threshold"):
        replace(table, make=other).needed(results, {})


def test_a_source_is_of_the_pool_or_of_labelled_images() -> None:
    every = source.sources()
    both = replace(every["shards"], listing=every["imagefolder"].listing)
    with pytest.raises(TypeError, match="not both"):
        source._check("shards", both)


def test_tables_and_figures_say_where_they_write_and_what_for() -> None:
    audit = shown.figures()["audit"]
    with pytest.raises(TypeError, match='each="chunk": expected one of subset, test_set'):
        shown._check("audit", replace(audit, each="chunk"))
