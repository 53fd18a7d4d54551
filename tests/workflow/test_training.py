"""CLIP training: repeatable, resumed after a kill, and refused when it did not do its work."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from programs import AVX2, MODEL, ROOT, emoji_chunk, kill_when, program, run, spoil
from smoke_study import read_json

from gapmatch.data.chunks import read_chunk
from gapmatch.data.shards import read_samples, write_shard
from gapmatch.models.weights import load_weights, not_finite, save_weights
from gapmatch.running.errors import InputError
from gapmatch.running.resumption import claim_state
from gapmatch.train import training, training_log, training_options
from gapmatch.train.reproducible_training import FusedAdamW
from gapmatch.train.streaming import ShardList, TrainingShard, kept_shards, write_shard_list

pytestmark = pytest.mark.workflow

EPOCHS = 3
BATCH = 16


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chunk of 48 emoji in shards of 16."""
    return emoji_chunk(tmp_path_factory.mktemp("reference"), "reference", 6, 16)


def command(
    chunk: Path,
    out: Path,
    seed: int,
    max_skipped: float = 0.0,
    precision: str = "fp32",
    epochs: int = EPOCHS,
) -> list[str]:
    """Return the command line that trains on a chunk with everything written below ``out``."""
    return program(
        "train_clip",
        *("--training-set", "tiny", "--reference", chunk, "--model", MODEL, "--seed", seed),
        *("--epochs", epochs, "--batch-size", BATCH, "--lr", 1e-3, "--warmup", 2),
        *("--weight-decay", 0.2, "--precision", precision, "--max-skipped", max_skipped),
        *("--device", "cpu", "--state", out / "state", "--weights", out / "model.pt"),
        *("--metrics", out / "metrics.csv", "--summary", out / "training.json"),
    )


@pytest.fixture(scope="module")
def undisturbed(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run(command(reference, out, 0))
    return out


def equal(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same weights, bit for bit."""
    left, right = load_weights(one), load_weights(other)
    assert left.keys() == right.keys()
    return all(torch.equal(tensor, right[name]) for name, tensor in left.items())


def test_log_and_state(undisturbed: Path) -> None:
    assert not (undisturbed / "state").exists()
    lines = (undisturbed / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "epoch,samples,rate,lr,logit_scale,loss"
    assert {line.split(",")[0] for line in lines[1:]} == {str(epoch) for epoch in range(EPOCHS)}


def test_same_seed_same_weights(reference: Path, undisturbed: Path, tmp_path: Path) -> None:
    run(command(reference, tmp_path, 0))
    assert equal(tmp_path / "model.pt", undisturbed / "model.pt")


def test_other_seed_other_weights(reference: Path, undisturbed: Path, tmp_path: Path) -> None:
    run(command(reference, tmp_path, 1))
    assert not equal(tmp_path / "model.pt", undisturbed / "model.pt")


def test_killed_run_continues_to_the_same_weights(
    reference: Path, undisturbed: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state" / training_log.EXPERIMENT / "checkpoints" / "epoch_latest.pt"
    kill_when(checkpoint.exists, command(reference, tmp_path, 0), tmp_path)
    assert not (tmp_path / "model.pt").exists()
    log = run(command(reference, tmp_path, 0))
    assert "resuming checkpoint" in log
    assert "Start epoch 0" not in log
    assert equal(tmp_path / "model.pt", undisturbed / "model.pt")


@pytest.mark.parametrize("gpus", [0, 2])
def test_killed_alone_it_leaves_no_training_behind(
    reference: Path, gpus: int, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state" / training_log.EXPERIMENT / "checkpoints" / "epoch_latest.pt"
    arguments = [*command(reference, tmp_path, 0, epochs=1000), "--gpus", str(gpus)]
    kill_when(checkpoint.exists, arguments, tmp_path, alone=True)


def test_state_of_torchs_own_adamw_goes_on_fused() -> None:
    """As an earlier version left it: unfused, which a scaler of gradients does not go with."""
    earlier = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(earlier.parameters(), lr=0.1)
    earlier(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    resumed = FusedAdamW(earlier.parameters(), lr=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(earlier(torch.ones(1, 3)).sum()).backward()
    scaler.step(resumed)
    assert resumed.param_groups[0]["fused"]
    assert {float(state["step"]) for state in resumed.state.values()} == {2.0}


def test_auto_takes_float32_where_bfloat16_is_emulated(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AVX2.items():
        monkeypatch.setenv(name, value)
    said = run(command(reference, tmp_path, 0, precision="auto"))
    summary = read_json(tmp_path / "training.json")
    assert summary["precision"] == "fp32"
    assert summary["precision_reason"] in said
    assert "precision: fp32" in said, "open_clip_train's log of its own settings"


def test_several_processes_train_one_model(reference: Path, tmp_path: Path) -> None:
    """As on several GPUs: torchrun, features gathered; what any of them skipped counts."""
    chunk = Path(shutil.copytree(reference, tmp_path / "chunk"))
    for shard in range(3):
        spoil(chunk / f"{shard:05d}.tar", 3)
    several = ("--gpus", "2", "--workers", "2", "--grad-checkpointing")
    said = run([*command(chunk, tmp_path, 0, max_skipped=0.0), *several], status=2)
    assert "1 workers per GPU instead of 2" in said, "three shards feed one worker in each of two"
    logs = [
        tmp_path / "state" / training_log.EXPERIMENT / f"worker-{rank}-0.log" for rank in (0, 1)
    ]
    assert all(log.exists() for log in logs), said
    skipped = [training_log.count_skipped(log.read_text(encoding="utf-8"), 1) for log in logs]
    assert min(skipped) > 0
    told = re.search(r"^error: (\d+) samples could not be used in 1 epoch", said, re.MULTILINE)
    assert told, said
    # A worker may come to a sample of the epoch after the first process looked.
    assert 0 < int(told[1]) <= sum(skipped)
    shutil.rmtree(tmp_path / "state")
    run([*command(chunk, tmp_path, 0, max_skipped=1.0), *several])
    assert read_json(tmp_path / "training.json")["skipped"] >= sum(skipped)
    assert not not_finite(load_weights(tmp_path / "model.pt"))


def test_unreadable_image_beyond_the_limit_fails_the_run(reference: Path, tmp_path: Path) -> None:
    chunk = Path(shutil.copytree(reference, tmp_path / "chunk"))
    spoil(chunk / "00001.tar", 3)
    limit = (EPOCHS - 0.5) / (48 * EPOCHS)  # only the last epoch is beyond it
    last = run(command(chunk, tmp_path, 0, limit), status=2).splitlines()[-1]
    assert last.startswith(f"error: {EPOCHS} samples could not be used in {EPOCHS} epochs, so they")
    assert "training.max_skipped" in last
    assert not (tmp_path / "model.pt").exists()
    assert "resuming checkpoint" in run(command(chunk, tmp_path, 0, 1.0))
    assert read_json(tmp_path / "training.json")["skipped"] == EPOCHS


@pytest.mark.parametrize("bytes_left", [0, 10_000, 10_240])
def test_shard_cut_short_ends_the_run(reference: Path, bytes_left: int, tmp_path: Path) -> None:
    chunk = Path(shutil.copytree(reference, tmp_path / "chunk"))
    shard = chunk / "00001.tar"
    assert bytes_left < shard.stat().st_size - 10_240
    shard.write_bytes(shard.read_bytes()[:bytes_left])
    said = run(command(chunk, tmp_path, 0, 1.0), status=2)
    assert said.splitlines()[-1].startswith(f"error: {shard.absolute()} ")


def without_captions(reference: Path, folder: Path, every: int) -> Path:
    """Copy a chunk; of every n-th sample the caption is left out."""
    chunk = Path(shutil.copytree(reference, folder / "chunk"))
    for tar in chunk.glob("*.tar"):
        samples = list(read_samples(tar))
        for _, members in samples[::every]:
            del members["txt"]
        write_shard(tar, samples)
    return chunk


def test_shards_without_captions_end_the_run(reference: Path, tmp_path: Path) -> None:
    """Their worker would go through them for ever."""
    chunk = without_captions(reference, tmp_path, every=1)
    said = run(command(chunk, tmp_path, 0, 1.0), status=2)
    assert said.splitlines()[-1].startswith(
        "error: a worker got 0 samples with image and caption out of its shards"
    )
    log = tmp_path / "state" / training_log.EXPERIMENT / "worker-0-0.log"
    told = log.read_text(encoding="utf-8")
    assert f"{training_log.SKIPPED} 000000000 of {chunk.absolute()}/00000.tar: no caption" in told


def test_samples_that_are_not_seen_are_not_told_as_trained_on(
    reference: Path, tmp_path: Path
) -> None:
    chunk = without_captions(reference, tmp_path, every=2)
    last = run(command(chunk, tmp_path, 0, 0.02), status=2).splitlines()[-1]
    assert last.startswith("error: 24 samples could not be used in 1 epoch, so they were not seen")
    assert "embedders.NAME.max_skipped) allows 2 in all epochs" in last
    checkpoints = tmp_path / "state" / training_log.EXPERIMENT / "checkpoints"
    assert (checkpoints / "epoch_latest.pt").exists(), "who allows more goes on from there"


STALLING = """
import sys
import time
from gapmatch.train import reproducible_training, stalled_workers
stalled_workers.Watch.__init__.__defaults__ = (1.0, time.monotonic)
stalled_workers.LOOK_SECONDS = 0.5
reproducible_training.train(sys.argv[1:])
"""


def test_a_file_system_that_does_not_answer_ends_the_run(reference: Path, tmp_path: Path) -> None:
    shards = kept_shards(read_chunk(reference), None)
    lost = tmp_path / "lost.tar"
    os.mkfifo(lost)  # whoever opens it waits for ever
    write_shard_list(
        tmp_path / training_log.SHARD_LIST,
        ShardList([TrainingShard(lost, 16, None)] * len(shards), 0),
    )
    arguments = training.command(SETTINGS, shards, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", STALLING, *arguments[2:]],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr  # and its worker has ended: it would hold the pipes
    told = (tmp_path / training_log.EXPERIMENT / training_log.ENDED).read_text(encoding="utf-8")
    assert told.startswith(f"reading {lost} got no further for ")


SETTINGS = training_options.TrainingOptions(
    model=MODEL,
    epochs=2,
    batch_size=16,
    lr=1e-3,
    warmup=2,
    weight_decay=0.2,
    precision="fp32",
    grad_checkpointing=False,
    seed=0,
    max_skipped=0.01,
    device="cpu",
    gpus=0,
    workers=1,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 49}, r"get 48 samples, fewer than a batch \(49\).*training\.batch_size"),
        ({"gpus": 2, "batch_size": 34}, r"2 workers; one may get 16 samples, fewer than a batch"),
        ({"gpus": 4, "workers": 2}, r"has 3 shards for 4 workers.*download\.samples_per_shard"),
        ({"gpus": 3}, r"training\.batch_size is 16, expected a multiple of the 3 GPUs"),
    ],
)
def test_settings_that_cannot_train(reference: Path, change: dict[str, int], message: str) -> None:
    shards = kept_shards(read_chunk(reference), None)
    assert training_options.checked(SETTINGS, shards) == SETTINGS
    with pytest.raises(InputError, match=message):
        training_options.checked(dataclasses.replace(SETTINGS, **change), shards)


def test_samples_skipped_by_an_earlier_version_count(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It called the logs of its workers otherwise."""
    shards = kept_shards(read_chunk(reference), None)
    asked = dataclasses.replace(SETTINGS, max_skipped=1.0)
    options = training_options.checked(asked, shards)
    state = tmp_path / "state"
    run = state / training_log.EXPERIMENT
    os.close(claim_state(state, training.fingerprint(options, shards)))
    run.mkdir()
    (run / "loader-0-0.log").write_text(f"Start epoch 0\n{training_log.SKIPPED} a\n")

    def trained(_: list[str], lock: int, state: Path) -> None:
        os.close(lock)
        assert training_log.all_skipped(state / training_log.EXPERIMENT, 1) == 1
        raise InputError("seen")

    monkeypatch.setattr(training, "run", trained)
    outputs = training.TrainingOutputs(weights=tmp_path, metrics=tmp_path, summary=tmp_path)
    with pytest.raises(InputError, match="seen"):
        training.train("tiny", shards, [], asked, state, outputs)


@pytest.mark.parametrize(("asked", "batch_size", "fed"), [(9, 16, 3), (3, 17, 1), (2, 16, 2)])
def test_no_more_workers_than_are_fed(
    reference: Path, asked: int, batch_size: int, fed: int
) -> None:
    settings = dataclasses.replace(SETTINGS, workers=asked, batch_size=batch_size)
    shards = kept_shards(read_chunk(reference), None)
    assert training_options.checked(settings, shards) == dataclasses.replace(settings, workers=fed)


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[Path]:
    """A state as a finished training of 100 samples leaves it."""
    run = tmp_path / training_log.EXPERIMENT
    (run / "checkpoints").mkdir(parents=True)
    save_weights(run / "checkpoints" / "epoch_2.pt", {"layer": torch.ones(3)})
    skipped = "Start epoch 1\nHandling webdataset error (OSError('truncated')). Ignoring.\n"
    for rank in (0, 1):
        (run / f"worker-{rank}-0.log").write_text(skipped, encoding="utf-8")
    (run / "out.log").touch()
    return tmp_path


def test_verify_counts_what_was_skipped(finished: Path) -> None:
    weights, skipped = training.verify(finished, SETTINGS, 100)
    assert skipped == 2
    assert torch.equal(weights["layer"], torch.ones(3))


def test_skipped_samples_of_an_interrupted_epoch_count_once() -> None:
    bad = "Handling webdataset error (OSError('truncated')). Ignoring."
    epochs = [f"Start epoch {number}" for number in (0, 1, 1, 2)]
    log = "\n".join([epochs[0], bad, epochs[1], bad, bad, epochs[2], bad, epochs[3]])
    assert training_log.count_skipped(log, 3) == 2
    assert [training_log.count_skipped(log, epochs) for epochs in (0, 1, 2)] == [0, 1, 2]


def test_verify_refuses_too_many_skipped(finished: Path) -> None:
    with pytest.raises(InputError, match=r"2 samples could not be used.*max_skipped"):
        training.verify(finished, SETTINGS, 99)


def test_verify_refuses_missing_last_epoch(finished: Path) -> None:
    with pytest.raises(InputError, match=r"epoch_3\.pt does not exist.*stopped early"):
        training.verify(finished, dataclasses.replace(SETTINGS, epochs=3), 100)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_verify_refuses_weights_that_are_not_finite(finished: Path, value: float) -> None:
    path = finished / training_log.EXPERIMENT / "checkpoints" / "epoch_2.pt"
    save_weights(path, {"fine": torch.ones(2), "layer": torch.tensor([1.0, value])})
    with pytest.raises(InputError, match=r"not finite \(layer\).*training\.lr"):
        training.verify(finished, SETTINGS, 100)


def test_metrics_of_a_log_that_ends_early(finished: Path) -> None:
    with pytest.raises(InputError, match="ends at 0 samples, expected at least 112"):
        training_log.read_metrics(finished, SETTINGS, 100)


def test_fingerprint_is_of_the_data_and_the_settings(reference: Path, tmp_path: Path) -> None:
    shards = kept_shards(read_chunk(reference), None)
    moved = [
        TrainingShard(Path(shutil.copy2(one.tar, tmp_path)), one.samples, None) for one in shards
    ]
    assert training.fingerprint(SETTINGS, shards) == training.fingerprint(SETTINGS, moved)
    moved[0].tar.write_bytes(moved[0].tar.read_bytes() + b"\0")
    assert training.fingerprint(SETTINGS, shards) != training.fingerprint(SETTINGS, moved)
    other = dataclasses.replace(SETTINGS, seed=1)
    assert training.fingerprint(SETTINGS, shards) != training.fingerprint(other, shards)
