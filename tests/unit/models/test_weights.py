"""Weights: written reproducibly, read without executing anything."""

import pickle
from pathlib import Path

import pytest
import torch

from gapmatch.models.weights import choose_device, load_weights, save_weights
from gapmatch.running.errors import InputError


class Evil:
    """Executes code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path("executed").touch, ())


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    weights = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    save_weights(tmp_path / "one.pt", weights)
    save_weights(tmp_path / "two.pt", weights)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    read = load_weights(tmp_path / "one.pt")
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)


def test_training_checkpoints_are_understood(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "state_dict": {"module.a": torch.ones(1)}}, tmp_path / "epoch_1.pt")
    assert list(load_weights(tmp_path / "epoch_1.pt")) == ["a"]


def test_pickled_code_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match=r"evil\.pt is not a state dict"):
        load_weights(tmp_path / "evil.pt")
    torch.save({"a": Evil()}, tmp_path / "evil2.pt")
    with pytest.raises(InputError, match=r"evil2\.pt is not a state dict"):
        load_weights(tmp_path / "evil2.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [{"a": 1}, torch.ones(2)])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(InputError, match="expected tensors by name"):
        load_weights(tmp_path / "other.pt")


def test_missing_file_and_missing_gpu(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_weights(tmp_path / "none.pt")
    assert choose_device("auto").type in {"cpu", "cuda"}
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="torch finds no GPU"):
            choose_device("cuda")
