"""Checks of a config against the disk: its YAML files and the paths that it names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gapmatch.config.study import Study, parse_study
from gapmatch.download.source import SourceSettings
from gapmatch.running.errors import InputError

LOCAL_MODEL = "local-dir:"
SHOWN = 20


class _UniqueKeyLoader(yaml.SafeLoader):  # type: ignore[misc]  # pyyaml has no types
    """YAML, but a key that stands twice is an error: the first would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raise on a repeated key."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_study(values: dict[str, Any], files: Sequence[Path | str]) -> Study:
    """Validate a study: its values, the files that they came from, the paths that they name.

    Args:
        values: The merged config as Snakemake read it.
        files: The config files, for repeated keys (which Snakemake does not report) and messages.

    Raises:
        InputError: One message that lists every problem of the first kind that was found.
    """
    for file in files:
        try:
            yaml.load(Path(file).read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506
        except yaml.YAMLError as error:
            raise InputError(f"{file} is not valid YAML: {error}") from None
    name = ", ".join(str(file) for file in files) or "config"
    study = parse_study(values, name)
    missing = list(missing_paths(study))
    if missing:
        lines = [f"  {key}: {path} does not exist" for key, path in missing[:SHOWN]]
        if len(missing) > SHOWN:
            lines.append(f"  and {len(missing) - SHOWN} more")
        raise InputError(f"{name} names paths that are missing:\n" + "\n".join(lines))
    faults = [
        f"  {key}.{part}: {message}"
        for key, source in _sources(study).items()
        for part, message in source.faults()
    ]
    if study.human_check:
        faults += [f"  human_check.{part}: {told}" for part, told in study.human_check.faults()]
    if faults:
        raise InputError(f"{name} names data that cannot be used:\n" + "\n".join(faults))
    return study


def missing_paths(study: Study) -> Iterator[tuple[str, Path]]:
    """Yield the key and the path of every input of the study that does not exist."""
    for key, path in _named_paths(study):
        if not path.exists():
            yield key, path


def _sources(study: Study) -> dict[str, SourceSettings]:
    """Return the sources of a study by their keys."""
    sources = {"pool.source": study.pool.source, "reference.source": study.reference.source}
    if study.styles and study.styles.examples:
        sources["styles.examples"] = study.styles.examples
    tests = {f"test_sets.{name}.source": test.source for name, test in study.test_sets.items()}
    return sources | tests


def _named_paths(study: Study) -> Iterator[tuple[str, Path]]:
    for name, source in _sources(study).items():
        for key, path in source.paths():
            yield f"{name}.{key}", path
    if study.figures.published:
        yield "figures.published", study.figures.published
    if study.human_check and study.human_check.responses:
        yield "human_check.responses", study.human_check.responses
    models = {"training.model": study.training.model}
    for name, embedder in study.embedders.items():
        models[f"embedders.{name}.model"] = getattr(embedder, "model", "")
        for key, path in embedder.paths():
            yield f"embedders.{name}.{key}", path
    for name, subset in study.subsets.items():
        for key, path in subset.paths():
            yield f"subsets.{name}.{key}", path
    for name, classifier in study.classifiers.items():
        for key, path in classifier.paths():
            yield f"classifiers.{name}.{key}", path
    for key, model in models.items():
        if model.startswith(LOCAL_MODEL):
            yield key, Path(model.removeprefix(LOCAL_MODEL)) / "open_clip_config.json"
