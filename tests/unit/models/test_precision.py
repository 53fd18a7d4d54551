"""The arithmetic of trainings: what is taken on which machine, and that it is measured there."""

import os
import subprocess
import sys

import pytest
import torch
from programs import AVX2, ROOT

from gapmatch.models.precision import bfloat16_gain, training_precision

CPU = torch.device("cpu")
GPU = torch.device("cuda")


@pytest.mark.parametrize("asked", ["fp32", "amp", "amp_bf16", "bf16", "fp16"])
@pytest.mark.parametrize("device", [CPU, GPU])
def test_what_the_study_names_is_taken(asked: str, device: torch.device) -> None:
    assert training_precision(asked, device).name == asked


@pytest.mark.parametrize(
    ("gain", "taken"), [(0.02, "fp32"), (0.9, "fp32"), (1.4, "amp_bf16"), (8.0, "amp_bf16")]
)
def test_a_processor_takes_what_is_faster(
    gain: float, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapmatch.models.precision.bfloat16_gain", lambda: gain)
    precision = training_precision("auto", CPU)
    assert precision.name == taken
    assert f"{gain:.2g} times as fast" in precision.reason


@pytest.mark.parametrize(("native", "taken"), [(True, "amp_bf16"), (False, "amp")])
def test_a_gpu_takes_bfloat16_where_it_has_it(
    native: bool, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(*, including_emulation: bool) -> bool:
        return native or including_emulation

    monkeypatch.setattr("torch.cuda.is_bf16_supported", supported)
    assert training_precision("auto", GPU).name == taken


def test_measuring_leaves_torch_its_threads() -> None:
    before = torch.get_num_threads()
    assert bfloat16_gain() > 0
    assert torch.get_num_threads() == before


def test_a_clock_too_coarse_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.thread_time", lambda: 0.5)
    assert bfloat16_gain() == 1
    assert training_precision("auto", CPU).name == "fp32"


MEASURE = """
import torch
from gapmatch.models.precision import training_precision
print(training_precision("auto", torch.device("cpu")).name)
"""


@pytest.mark.parametrize("_", range(3))
def test_a_processor_without_bfloat16_instructions_takes_float32(_: int) -> None:
    environment = os.environ | AVX2 | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "fp32\n"
