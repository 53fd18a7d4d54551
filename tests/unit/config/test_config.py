"""The config: shipped studies are valid, its documents are current, and errors say what to do."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gapmatch.config import load_study, parse_study
from gapmatch.config.reference import json_schema, markdown
from gapmatch.running.errors import InputError

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "studies" / "smoke.yaml"
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


@pytest.fixture
def values() -> dict[str, Any]:
    """The smoke study, to be spoilt."""
    loaded: dict[str, Any] = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))
    loaded["test_sets"]["other"] = {"source": {"kind": "emoji", "part": "other"}}
    return loaded


def put(values: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return a copy of the values with one dotted key set."""
    changed = copy.deepcopy(values)
    section = changed
    *path, last = key.split(".")
    for part in path:
        section = section[part]
    section[last] = value
    return changed


def problems(values: dict[str, Any]) -> list[str]:
    """Return the lines of the message that refuses the values; the first one names the file."""
    with pytest.raises(InputError) as caught:
        parse_study(values, "study.yaml")
    title, *lines = str(caught.value).splitlines()
    assert title == "study.yaml is not a valid study:"
    return [line.strip() for line in lines]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_study_is_valid(path: Path) -> None:
    study = parse_study(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
    if path.parent.name == "studies":
        assert study.study == path.stem


def test_studies_that_need_nothing_fetched_find_their_paths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    for path in (ROOT / "config.yaml", SMOKE):
        load_study(yaml.safe_load(path.read_text(encoding="utf-8")), [path])


def test_schema_and_reference_page_are_current() -> None:
    schema = json_schema()
    written = json.loads((ROOT / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
    assert written == schema, "run make schema"
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert page == markdown(schema), "run make schema"


def test_every_key_has_a_description() -> None:
    schema = json_schema()
    for name, section in {"Study": schema, **schema["$defs"]}.items():
        for key, value in section.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("subset", "said"),
    [
        (
            {"method": "diverse", "clusters": 4, "keep": 0.5},
            "subsets.some.clusters: add a section clusters to the study",
        ),
        (
            {"method": "style", "shares": {"line": 1.0}},
            "subsets.some.shares: add a section styles to the study",
        ),
    ],
)
def test_subsets_of_clusters_and_styles_need_a_section(
    values: dict[str, Any], subset: dict[str, Any], said: str
) -> None:
    assert problems(put(values, "subsets.some", subset)) == [said]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("serch", {}, "did you mean search?"),
        ("search.rank", 1, "docs/config.md"),
        ("subsets.sketch_pruned.ofset", 0.1, "did you mean offset?"),
        ("test_sets.val.source.root", "/data", "docs/config.md"),
        ("embedders.trained.checkpoint", "x.pt", "unknown key (docs/config.md"),
    ],
)
def test_unknown_key(values: dict[str, Any], key: str, value: object, allowed: str) -> None:
    (line,) = problems(put(values, key, value))
    assert line.startswith(f"{key}: ")
    assert "unknown key" in line
    assert allowed in line


@pytest.mark.parametrize(
    ("key", "value", "named", "shown", "allowed"),
    [
        (
            "subsets.sketch_pruned.test_sets",
            ["sketsch"],
            "subsets.sketch_pruned.test_sets",
            "'sketsch'",
            "one of test_sets: val, sketch",
        ),
        ("subsets.near_sketch.test_sets", [], "subsets.near_sketch.test_sets", "[]", "all"),
        ("subsets.near_sketch.keep", 433, "subsets.near_sketch.keep", "433", "at most 432"),
        ("subsets.near_sketch.keep", 1.0, "subsets.near_sketch.keep", "1.0", "fraction between"),
        (
            "subsets.some",
            {"method": "style", "shares": {"line": 0.5}},
            "subsets.some.shares",
            "{'line': 0.5}",
            "shares that are not negative and add up to 1",
        ),
        (
            "subsets.some",
            {"method": "style", "shares": {"line": float("nan")}},
            "subsets.some.shares",
            "{'line': nan}",
            "shares that are not negative and add up to 1",
        ),
        ("clusters", {"embedder": "none"}, "clusters.embedder", "'none'", "one of embedders: tr"),
        ("styles", {"embedder": "none"}, "styles.embedder", "'none'", "one of embedders: tr"),
        ("subsets.near_sketch.keep", 0, "subsets.near_sketch.keep", "0", "number of samples"),
        (
            "subsets.near_sketch.keep",
            "baseline",
            "subsets.near_sketch.keep",
            "'baseline'",
            "of which the study has sketch_pruned",
        ),
        ("search.ranks", [1, 1], "search.ranks", "[1, 1]", "each number once"),
        ("training.seeds", [0, 2, 0], "training.seeds", "[0, 2, 0]", "each number once"),
        ("search.ranks", [1, 6], "search.ranks", "6", "reference_neighbours, which is 5"),
        ("subsets.sketch_pruned.rank", 2, "subsets.sketch_pruned.rank", "2", "search.ranks: 1, 3"),
        ("search.embedder", "clip", "search.embedder", "'clip'", "one of embedders: trained"),
        ("deduplicate.embedder", "clip", "deduplicate.embedder", "'clip'", "embedders: trained"),
        ("figures.id_test_set", "v2", "figures.id_test_set", "'v2'", "test_sets: val, sketch"),
        ("figures.baseline", "reference_only", "figures.baseline", "'reference_only'", "all"),
        ("figures.neighbours", 6, "figures.neighbours", "6", "reference_neighbours (5)"),
        ("emoji.test_classes", 15, "emoji.pool_classes", "24", "drawing_classes, 25"),
        ("pool.source.part", "val", "pool.source.part", "'val'", "expected pool"),
        ("test_sets.val.source.part", "pool", "test_sets.val.source.part", "'pool'", "test set"),
        ("training.epochs", 0, "training.epochs", "0", "at least 1"),
        (
            "evaluation.templates",
            ["a photo of a {class}"],
            "evaluation.templates",
            "'a photo of a {class}'",
            "{} once in each, for the class name",
        ),
        ("evaluation.templates", ["photo"], "evaluation.templates", "'photo'", "{} once"),
        (
            "reference.caption",
            "a photo of a {}",
            "reference.caption",
            "'a photo of a {}'",
            "expected {class} in it",
        ),
        (
            "pool",
            {"source": {"kind": "shards", "shards": "/data/{0..3}.tar"}, "chunks": 5},
            "pool.chunks",
            "5",
            "at most the number of shards, 4",
        ),
        (
            "pool",
            {"source": {"kind": "shards", "shards": "/data/*.tar"}, "chunks": 5},
            "pool.source.shards",
            "'/data/*.tar'",
            "expected brace notation",
        ),
        ("compute.engine", "gpu", "compute.engine", "'gpu'", "'fused'"),
        (
            "test_sets.captioned",
            {"source": {"kind": "emoji", "part": "captioned"}, "metric": "mean_per_class"},
            "test_sets.captioned.metric",
            "'mean_per_class'",
            "no metric: only images with one class each have a choice",
        ),
        (
            "test_sets.captioned",
            {"source": {"kind": "emoji", "part": "captioned"}, "metric": "top1"},
            "test_sets.captioned.metric",
            "'top1'",
            "no metric: only images with one class each have a choice",
        ),
        (
            "test_sets.captioned",
            {"source": {"kind": "emoji", "part": "captioned"}, "templates": "simple"},
            "test_sets.captioned.templates",
            "'simple'",
            "no templates: its captions are taken as they are",
        ),
        (
            "test_sets.val.source.part",
            "captioned",
            "figures.id_test_set",
            "'val'",
            "a test set whose images have one class each",
        ),
        (
            "classifiers",
            {"small": {"kind": "trained", "test_sets": ["val", "flickr"]}},
            "classifiers.small.test_sets",
            "['val', 'flickr']",
            "test_sets whose images have classes, each once: val, sketch, other",
        ),
        (
            "classifiers",
            {"small": {"kind": "trained", "test_sets": ["val", "val"]}},
            "classifiers.small.test_sets",
            "['val', 'val']",
            "each once",
        ),
        (
            "emoji.pool_classes",
            16,
            "emoji.pool_classes",
            "16",
            "more than test_classes + drawing_classes, 16: test_sets.other holds the others",
        ),
        (
            "subsets.baseline.method",
            "gapmatch",
            "subsets.baseline",
            "gapmatch",
            "'gap_match'",
        ),
    ],
)
def test_one_line_names_key_value_and_what_is_allowed(
    values: dict[str, Any], key: str, value: object, named: str, shown: str, allowed: str
) -> None:
    values["compute"] = {}
    (line,) = problems(put(values, key, value))
    assert line.startswith(f"{named}: got ")
    assert shown in line
    assert allowed in line


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("study", 7, "text"),
        ("pool.source", {"kind": "web"}, "one of 'emoji', 'shards', 'urls' as its 'kind'"),
        ("pool.chunks", "many", "a whole number"),
        ("training.epochs", 1.5, "a whole number"),
        ("training.lr", 0, "more than 0"),
        ("training.max_skipped", 2, "at most 1"),
        ("training.lr", "fast", "a number"),
        ("training.grad_checkpointing", "maybe", "true or false"),
        ("training.seeds", [], "at least 1 of them"),
        ("training.seeds", 0, "a list"),
        ("test_sets", [], "keys with values"),
        ("compute", "none", "keys with values"),
        ("figures.published", 3, "a path"),
        ("subsets.sketch_pruned.test_sets", "sketch", "'all' or a list"),
        ("subsets.near_sketch.keep", None, "a number, a whole number or text"),
        ("embedders.trained", {"model": "x"}, "the key 'kind', which says what kind it is"),
    ],
)
def test_what_is_expected_is_told_in_plain_words(
    values: dict[str, Any], key: str, value: object, expected: str
) -> None:
    assert f"{key}: got {value!r}, expected {expected}" in problems(put(values, key, value))


def test_a_name_that_cannot_be_a_folder(values: dict[str, Any]) -> None:
    values["subsets"]["a b"] = {"method": "all"}
    (line,) = problems(values)
    assert line.startswith("subsets.a b: got 'a b', expected a name of letters, digits, _ and -")


def test_names_that_differ_in_case_only_collide(values: dict[str, Any]) -> None:
    (line,) = problems(put(values, "subsets.Baseline", {"method": "random", "keep": 0.5}))
    assert line == "subsets: got 'Baseline', expected a name that does not collide with baseline"


CLASSIFIERS = {
    "resnet": {"kind": "timm", "model": "resnet50.tv_in1k"},
    "ours": {"kind": "checkpoint", "model": "resnet50", "checkpoint": "nowhere/ours.pt"},
    "small": {"kind": "trained", "epochs": 3},
}


def test_classifiers_of_every_kind(values: dict[str, Any]) -> None:
    values["classifiers"] = CLASSIFIERS
    assert list(parse_study(values, "study.yaml").classifiers) == list(CLASSIFIERS)
    with pytest.raises(InputError, match=r"classifiers.ours.checkpoint: nowhere/ours.pt does not"):
        load_study(values, [])
    (line,) = problems(put(values, "classifiers.resnet.epochs", 3))
    assert line.startswith("classifiers.resnet.epochs: unknown key")
    (line,) = problems(put(values, "classifiers.small.batch_size", 1))
    assert line.startswith("classifiers.small.batch_size: got 1")


def test_subsets_may_name_their_embedder(values: dict[str, Any]) -> None:
    values["classifiers"] = CLASSIFIERS
    values["embedders"]["r101"] = {
        **{"kind": "timm", "model": "resnet101"},
        "checkpoint": "nowhere/r101.pt",
    }
    values["embedders"]["tiny"] = {"kind": "classifier", "classifier": "small"}
    values = put(values, "subsets.sketch_pruned.embedder", "tiny")
    study = parse_study(values, "study.yaml")
    embedders = {name: study.subset_embedder(name) for name in study.subsets}
    assert embedders.pop("sketch_pruned") == "tiny"
    assert set(embedders.values()) == {"trained"}
    with pytest.raises(InputError, match=r"embedders.r101.checkpoint: nowhere/r101.pt does not"):
        load_study(values, [])
    (line,) = problems(put(values, "subsets.near_sketch.embedder", "clip"))
    assert line == (
        "subsets.near_sketch.embedder: got 'clip', expected one of embedders: trained, r101, tiny"
    )
    (line,) = problems(put(values, "embedders.tiny.classifier", "resnet"))
    expected = "expected one of classifiers of kind trained: small"
    assert line == f"embedders.tiny.classifier: got 'resnet', {expected}"


def test_a_classifier_cannot_have_the_name_of_a_subset(values: dict[str, Any]) -> None:
    values["classifiers"] = {"Baseline": CLASSIFIERS["resnet"]}
    (line,) = problems(values)
    assert line == (
        "classifiers: got 'Baseline', expected a name that does not collide with baseline"
    )


@pytest.mark.parametrize("name", ["pool", "Reference"])
def test_names_of_the_training_data_are_taken(values: dict[str, Any], name: str) -> None:
    (line,) = problems(put(values, f"test_sets.{name}", values["test_sets"]["val"]))
    assert line.startswith(f"test_sets: got {name!r}")
    assert "all are taken" in line


@pytest.mark.parametrize("name", ["a/b", "../up", "a b", "a{chunk}", ""])
def test_names_are_safe_as_folders(values: dict[str, Any], name: str) -> None:
    values["subsets"][name] = {"method": "random", "keep": 0.5}
    (line,) = problems(values)
    assert line.startswith("subsets")
    assert repr(name) in line


def test_all_problems_at_once(values: dict[str, Any]) -> None:
    spoilt = put(put(values, "search.embedder", "clip"), "figures.id_test_set", "v2")
    assert len(problems(spoilt)) == 2


def test_largest_pool_that_is_accepted(values: dict[str, Any]) -> None:
    study = parse_study(put(values, "subsets.near_sketch.keep", 432), "study.yaml")
    assert study.pool.source.most_samples(study) == 432


def test_key_that_stands_twice(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("study: smoke\nsearch: {ranks: [1]}\nsearch: {ranks: [3]}\n")
    with pytest.raises(InputError, match=r"twice\.yaml.*'search' stands twice") as caught:
        load_study(values, [path])
    assert "line 3" in str(caught.value)


def test_missing_paths_are_listed_all_at_once(values: dict[str, Any], tmp_path: Path) -> None:
    values["pool"]["source"] = {"kind": "shards", "shards": f"{tmp_path}/{{00000..00099}}.tar"}
    values["reference"]["source"] = {"kind": "imagefolder", "root": f"{tmp_path}/train"}
    values["test_sets"]["val"]["source"] = {"kind": "imagefolder", "root": f"{tmp_path}/val"}
    values["training"]["model"] = f"local-dir:{tmp_path}/model"
    values["embedders"]["trained"]["model"] = "RN50"
    with pytest.raises(InputError) as caught:
        load_study(values, [])
    assert str(caught.value).splitlines() == [
        "config names paths that are missing:",
        f"  pool.source.shards: {tmp_path}/00000.tar does not exist",
        f"  reference.source.root: {tmp_path}/train does not exist",
        f"  test_sets.val.source.root: {tmp_path}/val does not exist",
        f"  training.model: {tmp_path}/model/open_clip_config.json does not exist",
    ]


def test_snakemake_refuses_with_the_message_alone(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    spoilt = put(values, "subsets.sketch_pruned.test_sets", ["sketsch"])
    path.write_text(yaml.safe_dump(spoilt, sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(tmp_path), "--configfile", str(path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    expected = "subsets.sketch_pruned.test_sets: got 'sketsch', expected one of test_sets"
    assert said.count(expected) == 1
    before = said[: said.index("bad.yaml is not a valid study")].splitlines()
    assert len(before) <= 1, said  # Snakemake's profile
    assert "common.smk" not in said


def test_human_check_names_embedders_of_the_study(values: dict[str, Any]) -> None:
    changed = put(values, "human_check.embedders", ["trained", "absent"])
    (line,) = problems(changed)
    assert line == "human_check.embedders[1]: got 'absent', expected one of embedders: trained"
    assert "human_check.embedders" in problems(put(values, "human_check.embedders", []))[0]


def test_folder_of_responses_has_exports(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "answers"
    changed = put(values, "human_check.responses", str(folder))
    with pytest.raises(InputError, match=r"human_check\.responses: .*answers does not exist"):
        load_study(changed, [])
    folder.mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(InputError, match=r"human_check\.responses: .*answers holds no \*\.csv"):
        load_study(changed, [])
    for name in ("b", "a"):
        (folder / f"{name}.csv").touch()
    check = load_study(changed, []).human_check
    assert check
    assert check.exports() == [f"{folder}/a.csv", f"{folder}/b.csv"]
