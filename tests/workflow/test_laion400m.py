"""The paper's study: its plan with all folders there, and what is said of those that are not."""

import math
import re
from pathlib import Path

import pytest
import yaml
from programs import ROOT
from smoke_study import check_out, run

from gapmatch.config import load_study
from gapmatch.data.imagenet import VARIANTS
from gapmatch.running.errors import InputError
from gapmatch.train.streaming import TrainingShard
from gapmatch.train.training_options import TrainingOptions, checked

pytestmark = pytest.mark.workflow

STUDY = ROOT / "studies" / "laion400m.yaml"
PLACEHOLDER = "/path/to"
TEST_SETS = 6
CHUNKS = 104
SIZES = 8
LONGEST_COMMAND = 128 * 1024  # bytes, that a shell is given as one argument


def test_all_missing_paths_are_named_at_once() -> None:
    named = re.findall(rf"{PLACEHOLDER}/[\w./-]+", uncommented())
    with pytest.raises(InputError) as said:
        load_study(yaml.safe_load(STUDY.read_text(encoding="utf-8")), [STUDY])
    assert len(named) == TEST_SETS + 2
    for path in named:
        assert path.removesuffix("/") in str(said.value), path


def uncommented() -> str:
    return re.sub(r"#.*", "", STUDY.read_text(encoding="utf-8"))


def filled_in(folder: Path) -> Path:
    """Write the study with folders that exist in place of its placeholders."""
    text = uncommented().replace(PLACEHOLDER, str(folder / "data"))
    values = yaml.safe_load(text)
    shards = Path(values["pool"]["source"]["shards"])
    shards.parent.mkdir(parents=True)
    (shards.parent / "00000.tar").touch()
    sources = [
        values["reference"]["source"],
        *(one["source"] for one in values["test_sets"].values()),
    ]
    for source in sources:
        Path(source["root"]).mkdir(parents=True)
    study = folder / "laion400m.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return study


@pytest.mark.parametrize("share", [1, 0.5, 0.25, 0.1])
def test_smallest_training_sets_feed_every_gpu(share: float) -> None:
    """Parts of the reference alone: else they are refused when all before them is done."""
    values = yaml.safe_load(uncommented())
    images, chunks = VARIANTS["train"].images, values["reference"]["chunks"]
    shards = chunks * math.ceil(images / chunks / values["download"]["samples_per_shard"])
    training_set = [TrainingShard(Path("x"), int(share * images / shards), None)] * shards
    options = {name: values["training"].get(name) for name in TrainingOptions.__dataclass_fields__}
    options |= {"seed": 0, "device": "cpu", "gpus": values["compute"]["training_gpus"]}
    settings = TrainingOptions(**options | {"workers": values["compute"]["training_workers"]})
    assert checked(settings, training_set).workers >= 1


def test_plan(tmp_path: Path) -> None:
    folder = check_out(tmp_path / "checkout")
    study = filled_in(tmp_path)
    said = run(
        folder,
        "--dry-run",
        "--printshellcmds",
        "--workflow-profile",
        "profiles/laion400m",
        study=study,
    )
    table = said.partition("Job stats:")[2].partition("\n\n")[0]
    jobs = {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
    # Each, all; without the reference; by another embedder; ranks; offsets.
    gap_matched = TEST_SETS + 1 + 2 + 2 + 3 + 3
    sized = SIZES + 2 * SIZES * TEST_SETS + 1  # random; near and far; the core set
    subsets = 2 + gap_matched + 1 + 3 + sized  # whole pool and none; without reference; shares
    datasets = CHUNKS + 4 + TEST_SETS
    expected = {
        "ingest_shards": CHUNKS,
        "ingest_imagenet": 4 + TEST_SETS,
        "embed_chunk": 2 * datasets + CHUNKS,  # two embedders of all; one to deduplicate the pool
        "assign_clusters": CHUNKS,
        "drop_duplicates": 64,
        "search_reference": 2 * TEST_SETS,
        "search_pool": 2 * TEST_SETS * CHUNKS,
        "merge_neighbours": TEST_SETS,
        "select_subset": subsets,
        "certify_subset": gap_matched + 1,
        "measure_subset": subsets,
        "sample_reference": 3,
        "train_clip": subsets,
        "evaluate_zero_shot": subsets * TEST_SETS,
        "evaluate_classifier": 3 * TEST_SETS,
        "table_audit": TEST_SETS + 1 + 2,
        "table_agreement": 1,
        "figure_dose_response": 1,
        "figure_transfer_by_size": 1,
        "figure_neighbours": TEST_SETS,
        "table_table1": 1,
        "choose_trials": 1,
        "write_human_check": 1,
    }
    assert {rule: jobs[rule] for rule in expected} == expected
    # With four times as many chunks or seeds each is still shorter than Linux allows an argument.
    commands = re.findall(r"^Shell command: (.*)$", said, re.M)
    assert len(commands) >= sum(expected.values())
    assert max(map(len, commands)) < LONGEST_COMMAND / 4
