"""Profiles: sizes for every rule, and no option set in two places."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from environments import rules
from snakemake_executor_plugin_slurm.partitions import read_partition_file

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "profiles" / "default" / "config.yaml"
SLURM = ROOT / "slurm" / "config.yaml"
SIZES = sorted(ROOT.glob("profiles/*/config.yaml"))


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


@pytest.mark.parametrize("profile", SIZES, ids=lambda path: path.parent.name)
def test_every_rule_has_memory_and_time_that_grow(profile: Path) -> None:
    sizes = read(profile)["set-resources"]
    for rule, parts in rules().items():
        told = {name for name in ("mem_mb", "runtime") if name in parts["resources"]}
        assert told | set(sizes.get(rule, ())) == {"mem_mb", "runtime"}, rule
    for rule, resources in sizes.items():
        for name, value in resources.items():
            assert re.fullmatch(r"\d+ \* attempt", value), f"{rule}: {name}"
        searches = "search_mb" in rules()[rule]["resources"]
        assert not (searches and "mem_mb" in resources), f"{rule}: the study says its memory"


@pytest.mark.parametrize("profile", [SLURM, *SIZES], ids=lambda path: path.parent.name)
def test_processors_are_of_rules_that_exist(profile: Path) -> None:
    assert set(read(profile).get("set-threads", ())) <= set(rules())


@pytest.mark.parametrize("profile", SIZES, ids=lambda path: path.parent.name)
def test_last_attempt_still_fits_a_partition(profile: Path) -> None:
    attempts = 1 + read(SLURM)["retries"]
    partitions = read(ROOT / read(SLURM)["slurm-partition-config"])["partitions"]
    longest = min(limits["max_runtime"] for limits in partitions.values())
    for rule, resources in read(profile)["set-resources"].items():
        assert int(resources["runtime"].split()[0]) * attempts <= longest, rule


def test_profiles_do_not_override_each_other() -> None:
    assert not set(read(DEFAULT)) & set(read(SLURM))


def test_rules_that_compute_on_a_gpu_ask_for_one() -> None:
    for rule, parts in rules().items():
        assert ("device" in parts["resources"]) == ("gpu" in parts["resources"]), rule


def test_partitions_can_be_read() -> None:
    partitions = read_partition_file(ROOT / read(SLURM)["slurm-partition-config"])
    assert [partition.limits.max_gpu > 0 for partition in partitions] == [False, True]
