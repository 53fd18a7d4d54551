"""How far a job is, from the lines that programs write."""

import io

import pytest
from tqdm import tqdm

from gapmatch.running.job_progress import CUT, Progress, parse, progress_of, seconds_of

HALF = " 50%|#####     | 1800/3600 [00:05<01:05, 360.12image/s]"
FULL = "100%|##########| 3600/3600 [00:10<00:00, 710.39image/s]"
SHARDS = "seal:  33%|###  | 1/3 [00:15<10:00:31,  5.35s/shard]"
SCALED = " 25%|##   | 1.20M/4.80M [1:00:00<3:00:00, 333sample/s]"
KILO = " 25%|##   | 1.20k/4.80k [00:01<00:03, 1.2ksample/s]"
NONE_YET = "  0%|          | 0/144 [00:00<?, ?image/s]"
TRAINING = (
    "2026-11-26,21:22:47 | INFO | Train Epoch: 2 [ 1200/4683 (26%)] Data (t): 0.003 Batch (t): "
    "0.139, 230.123/s, 230.123/s/gpu LR: 0.000500 Logit Scale: 14.286 Contrastive_loss: 1.5 (1.5)"
)
AMOUNT = ("1200/4683 samples", "230 samples/s")
K_MEANS = (
    "2026-11-26 21:22:47,841 INFO gapmatch.cluster.clustering: k-means, iteration 3 of "
    "at most 20: 118 assignments changed; 4.0 s/iteration, at most 0:01:08 left"
)


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (HALF, Progress("1800/3600 images", 65, ("360.12 images/s",))),
        (FULL, Progress("3600/3600 images", None, ("710.39 images/s",), full=True)),
        (SHARDS, Progress("1/3 shards", 36_031, ("5.35 s/shard",))),
        (SCALED, Progress("1.20M/4.80M samples", 10_800, ("333 samples/s",))),
        (KILO, Progress("1.20k/4.80k samples", 3, ("1.2k samples/s",))),
        (NONE_YET, Progress("0/144 images")),
        (TRAINING, Progress("epoch 3", None, AMOUNT)),
        (
            f"{TRAINING} Epochs: 10 Time left: 0:02:10",
            Progress("epoch 3/10", 130, AMOUNT),
        ),
        (
            f"{TRAINING} Epochs: 32 Time left: 1 day, 1:00:00",
            Progress("epoch 3/32", 90_000, AMOUNT),
        ),
        (
            f"{TRAINING} Epochs: 10",
            Progress("epoch 3/10", None, AMOUNT),
        ),
        (K_MEANS, Progress("iteration 3 of at most 20", 68, ("4.0 s/iteration",))),
        ("1it [00:09,  9.94s/it]", None),
        ("read results/3/4 of the pool", None),
        ("1/2 [00:00<99999999999999:00, 1it/s]", None),
        (TRAINING.replace("230.123/s, ", "1.2.3/s, "), None),
        ("1/2 [00:00<00:01, 5\x1b[2Jit/s]", Progress("1/2  [2Jits", 1, ("5  [2Jits/s",))),
    ],
)
def test_line(line: str, progress: Progress | None) -> None:
    assert parse(line) == progress


def test_bar_of_tqdm_itself() -> None:
    written = io.StringIO()
    with tqdm(total=8, initial=1, unit="shard", file=written, mininterval=0) as bar:
        bar.update(3)
    states = [progress for line in written.getvalue().split("\r") if (progress := parse(line))]
    assert states[0] == Progress("1/8 shards")
    assert any(state.amount == "4/8 shards" and state.left is not None for state in states)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:05", 5), ("1:00:05", 3_605), ("2 days, 1:00:05", 176_405), ("1 day, 0:00:00", 86_400)],
)
def test_seconds(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([HALF, "a warning about one image"], "1800/3600 images, 0:01:05 left, 360.12 images/s"),
        ([HALF, FULL, "wrote 4 chunks"], "wrote 4 chunks"),
        ([FULL, NONE_YET, "1it [00:09,  9.94s/it]"], "0/144 images"),
        ([HALF, " 98%|#####"], "1800/3600 images, 0:01:05 left, 360.12 images/s"),  # half written
        ([HALF, FULL], "3600/3600 images, 710.39 images/s"),
        (["2026-11-26 21:22:47,841 INFO select_subset: sums"], "sums"),
        (["2026-11-26,21:22:47 | INFO | Start epoch 1"], "Start epoch 1"),
        (["gr\u00fcn \x1b[1m"], "gr?n  [1m"),
        (["x" * 100], "x" * (CUT - 3) + "..."),
    ],
)
def test_end_of_a_log(lines: list[str], text: str) -> None:
    progress = progress_of(lines)
    assert progress is not None
    assert progress.text(progress.left) == text


def test_time_left_by_now() -> None:
    assert Progress("1/3 shards", 90, ("5 s/shard",)).text(63) == (
        "1/3 shards, 0:01:03 left, 5 s/shard"
    )
    assert Progress("0/3 shards").text(63) == "0/3 shards"  # as another bar told


def test_empty_log() -> None:
    assert progress_of([]) is None


def test_any_line_is_searched_in_no_time() -> None:
    """Where the search took the square of the length, the first line took minutes."""
    for line in ("1" * 100_000, "1/2 [" * 20_000, "Train Epoch: 1 [ 1/2 " * 5_000):
        assert parse(line) is None
