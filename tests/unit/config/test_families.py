"""Families of subsets: what one definition with several values stands for."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gapmatch.config import parse_study
from gapmatch.config.families import expand
from gapmatch.running.errors import InputError

TESTS = ["val", "sketch"]
ROOT = Path(__file__).parents[3]


def expanded(**subsets: Any) -> dict[str, Any]:
    every = expand(subsets, TESTS)
    assert not every.problems
    return every.subsets


def test_a_family_stands_for_a_subset_of_each_combination() -> None:
    near = {"method": "near", "test_sets": "each", "keep": [40_000_000, 0.125, "matched"]}
    every = expanded(**{"baseline": {"method": "all"}, "near_{test_sets}_{keep}": near})
    assert list(every) == [
        "baseline",
        *(f"near_{test}_{keep}" for test in TESTS for keep in ("40m", "12p5", "matched")),
    ]
    assert every["near_sketch_12p5"] == {"method": "near", "test_sets": ["sketch"], "keep": 0.125}
    assert every["near_val_matched"]["keep"] == "matched"


def test_values_are_told_in_names() -> None:
    offsets = expanded(**{"matched_{offset}": {"offset": [-0.1, -0.05, 0.05, 0]}})
    assert list(offsets) == [
        f"matched_{one}" for one in ("less_10", "less_05", "more_05", "more_00")
    ]
    assert list(expanded(**{"r{rank}": {"rank": [1, 50]}})) == ["r1", "r50"]
    assert list(expanded(**{"s{seed}": {"seed": [0, 1000, 1500]}})) == ["s0", "s1k", "s1500"]
    shares = [{"photo": 0.25, "line": 0.75}, {"photo": 0.125, "line": 0.875}]
    mixed = expanded(**{"m_{shares}": {"shares": shares}})
    assert list(mixed) == ["m_photo25_line75", "m_photo12p5_line87p5"]
    assert mixed["m_photo25_line75"] == {"shares": shares[0]}
    # A test set of its own, and all of them together.
    both = expanded(**{"{test_sets}_pruned": {"test_sets": ["val", "all"]}})
    assert both == {"val_pruned": {"test_sets": ["val"]}, "all_pruned": {"test_sets": "all"}}
    every = expanded(**{"{test_sets}_pruned": {"test_sets": ["each", "all"]}})
    assert list(every) == ["val_pruned", "sketch_pruned", "all_pruned"]


KEYS = {
    "rank": st.integers(1, 99),
    "seed": st.integers(0, 9),
    "keep": st.sampled_from([0.1, 0.25, 7, 1000, 25_000_000]),
    "embedder": st.sampled_from(["b16", "resnet", "dino"]),
}


@given(st.data(), st.lists(st.sampled_from(sorted(KEYS)), min_size=1, unique=True))
def test_every_combination_is_there_once(data: st.DataObject, keys: list[str]) -> None:
    values = {
        key: data.draw(st.lists(KEYS[key], min_size=1, max_size=4, unique=True)) for key in keys
    }
    every = expanded(**{"a_" + "_".join(f"{{{key}}}" for key in keys): {"method": "m", **values}})
    found = [tuple(member[key] for key in keys) for member in every.values()]
    assert found == list(itertools.product(*values.values()))
    assert all(member["method"] == "m" for member in every.values())


@pytest.mark.parametrize(
    ("name", "definition", "said"),
    [
        ("near_{kept}", {"keep": [0.5]}, "but its definition does not have the key kept"),
        ("near_{keep}", {"keep": 0.5}, "keep: got 0.5, expected a list of values"),
        ("near_{keep}", {"keep": []}, "expected a list of values"),
        ("{test_sets}", {"test_sets": "some"}, "expected a list of values, or each"),
        ("near_{keep}_{keep}", {"keep": [0.5]}, "expected each key once in braces"),
        ("near_{keep", {"keep": [0.5]}, "expected each key once in braces"),
        ("near_{keep}", {"keep": [0.5, 0.5]}, "stands for a second near_50"),
        (
            "near",
            {"keep": [0.5, 0.2]},
            r"keep: got \[0\.5, 0\.2\], expected .* \{keep\} in the subset",
        ),
        ("near", {"test_sets": "each"}, r"test_sets: got 'each', expected .* \{test_sets\} in"),
        ("{method}line", {"method": ["base"]}, "stands for a second baseline"),
    ],
)
def test_a_wrong_family_gets_one_line(name: str, definition: dict[str, Any], said: str) -> None:
    values = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text(encoding="utf-8"))
    values["subsets"][name] = {"method": "near", "test_sets": "all", **definition}
    with pytest.raises(InputError, match=said) as error:
        parse_study(values, "a.yaml")
    assert len(str(error.value).splitlines()) == 2


def test_members_are_checked_as_if_they_were_written() -> None:
    values = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text(encoding="utf-8"))
    values["subsets"]["near_{keep}"] = {"method": "near", "test_sets": "all", "keep": [0.5, 2.5]}
    with pytest.raises(InputError, match=r"subsets\.near_\{keep\}\.keep: got 2\.5"):
        parse_study(values, "a.yaml")
    values["subsets"]["near_{keep}"].update(keep=[0.5, 0.25], kep=1)
    with pytest.raises(InputError) as error:
        parse_study(values, "a.yaml")
    (line,) = str(error.value).splitlines()[1:]  # though there are two members
    assert line.startswith("  subsets.near_{keep}.kep: unknown key (did you mean keep?")
    del values["subsets"]["near_{keep}"]["kep"]
    study = parse_study(values, "a.yaml")
    assert {"near_50", "near_25"} <= set(study.subsets)
    assert "near_{keep}" not in study.model_dump_json()
