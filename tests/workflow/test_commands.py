"""Every command that a study plans is one that its program understands, in unusual studies too.

An option without a value, say, of a list that is empty in this study, would end the run where its
first job of that rule begins: in a large study after days.
"""

import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App
from environments import programs
from programs import ROOT
from smoke_study import check_out, run

pytestmark = pytest.mark.workflow

TEST_SETS = {"val": {"source": {"kind": "emoji", "part": "val"}}}

MODEL = "local-dir:resources/models/emoji-resnet"


def least(folder: Path) -> dict[str, Any]:
    """Nothing but what every study must have: no matching, no deduplication, one test set."""
    subsets = {"baseline": {"method": "all"}, "reference_only": {"method": "none"}}
    return {
        "study": "least",
        "pool": {"source": {"kind": "emoji", "part": "pool"}},
        "reference": {"source": {"kind": "emoji", "part": "reference"}},
        "test_sets": TEST_SETS,
        "embedders": {"trained": {"kind": "trained", "model": MODEL}},
        "subsets": subsets,
        "training": {"model": MODEL},
    }


def sized_alone(folder: Path) -> dict[str, Any]:
    """Near, far and random pruning to sizes, nothing matched."""
    sized = {
        method: {"method": method, "keep": 0.5, "test_sets": "all"} for method in ("near", "far")
    }
    sized["random"] = {"method": "random", "keep": 3, "seed": 1}
    values = least(folder)
    return values | {"subsets": values["subsets"] | sized}


def from_folders(folder: Path) -> dict[str, Any]:
    """Links, folders of images and given embeddings; names with spaces and quotes."""
    place = folder / "a folder, of 'images'"
    (place / "given").mkdir(parents=True)
    for name in ("links.parquet", "names.json", "model.pt", "published.csv", "truth.csv"):
        (place / name).touch()
    images = {"kind": "imagefolder", "root": str(place)}
    timm = {"model": "resnet18.tv_in1k", "checkpoint": str(place / "model.pt")}
    return {
        "study": "from_folders",
        "pool": {"source": {"kind": "urls", "path": str(place / "links.parquet")}, "chunks": 2},
        "reference": {"source": images | {"class_names": str(place / "names.json")}},
        "test_sets": {
            "val": {
                "source": {
                    **{"kind": "imagenet", "variant": "val", "root": str(place), "images": 3},
                    "ground_truth": str(place / "truth.csv"),
                }
            },
            "mine": {"source": images},
        },
        "embedders": {
            "given": {"kind": "timm", "pool_embeddings": str(place / "given"), **timm},
            "published": {"kind": "open_clip", "model": "RN50", "pretrained": "openai"},
        },
        "search": {"embedder": "given", "reference_neighbours": 5, "ranks": [1, 2]},
        "subsets": {
            "baseline": {"method": "all"},
            "reference_only": {"method": "none"},
            "matched": {"method": "gap_match", "test_sets": ["val"], "offset": -0.1, "rank": 2},
            "other": {"method": "gap_match", "test_sets": ["val"], "embedder": "published"},
            "near": {"method": "near", "test_sets": ["mine"], "keep": "matched"},
        },
        "classifiers": {
            "file": {"kind": "checkpoint", **timm},
            "published": {"kind": "timm", "model": "resnet18.tv_in1k"},
        },
        "training": {"model": MODEL},
        "evaluation": {"templates": ["a photo of one's {}", '"{}"']},
        "figures": {"published": str(place / "published.csv"), "credit": "By 'me' & {others}"},
    }


def of_file(name: str) -> Callable[[Path], dict[str, Any]]:
    """Return what reads a study of this repository."""

    def read(folder: Path) -> dict[str, Any]:
        values: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        return values

    return read


STUDIES = {
    "least": least,
    "sized alone": sized_alone,
    "from folders": from_folders,
    "default": of_file("config.yaml"),
    "emoji_full": of_file("studies/emoji_full.yaml"),
    "emoji_properties": of_file("studies/emoji_properties.yaml"),
}


class UnderstoodError(Exception):
    """The program read its arguments; it is not to do more."""


def planned(folder: Path, values: dict[str, Any]) -> dict[str, str]:
    """Return a command of each rule that a study plans."""
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    said = run(check_out(folder / "a checkout"), "--dry-run", "--printshellcmds", study=study)
    commands = re.findall(r"^Shell command: (python .*/workflow_scripts.*)$", said, re.M)
    found = {}
    for command in commands:
        log = re.search(r"/logs/(\w+)\S* 2>&1$", command)
        assert log, command
        found[log[1]] = command
    return found


def understand(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program of a command read its arguments as the shell passes them."""
    words = shlex.split(re.sub(r"\$\([^)]*\)", "substituted", command))
    program = ROOT / "workflow_scripts" / Path(words[1]).name
    monkeypatch.setattr(sys, "argv", [str(program), *words[2 : words.index(">")]])
    with pytest.raises(UnderstoodError):
        runpy.run_path(str(program), run_name="__main__")


@pytest.mark.parametrize("study", STUDIES)
def test_programs_understand_what_is_planned(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_parse(app: App, words: list[str], **settings: object) -> None:
        app.parse_args(words, exit_on_error=False, print_error=False)
        raise UnderstoodError

    commands = planned(tmp_path, STUDIES[study](tmp_path))
    assert (
        {"train_clip", "evaluate_zero_shot", "write_report"} <= commands.keys() <= programs().keys()
    )
    monkeypatch.setattr(App, "__call__", only_parse)
    for command in commands.values():
        understand(command, monkeypatch)
