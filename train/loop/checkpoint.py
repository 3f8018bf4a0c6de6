"""A training state on disk, whole or absent: safetensors, no pickle.

The file holds the student, the method's own parameters, the optimizer and the average.
The teacher's head is a non-persistent buffer of the method and is never stored.
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.files import whole_file
from embedge.train.loop.average import Average

__all__ = ["Checkpoints", "TrainingState", "load_network", "save_network"]


@dataclass(frozen=True, slots=True)
class HeldState:
    """A training state that nothing changes any more."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]

    def write(self, path: Path) -> None:
        with whole_file(path) as part:
            save_file(self.tensors, part, metadata=self.facts)


class Checkpoints:
    """One file, written beside the training: the step does not wait for the disk."""

    def __init__(self, path: Path):
        self.path = path
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def write(self, state: "TrainingState", log: dict[str, Any]) -> None:
        """The one before is awaited: there are never two copies on the way."""
        self.wait()
        self._writing = self._writer.submit(state.held(log).write, self.path)

    def wait(self) -> None:
        """Until it is on disk; what went wrong there is raised here."""
        if self._writing is not None:
            self._writing.result()
        self._writing = None

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self._writer.shutdown()


@dataclass(slots=True)
class TrainingState:
    """Everything that `fit` changes while it runs."""

    network: nn.Module
    method: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    scaler: torch.amp.GradScaler
    step: int = 0

    def held(self, log: dict[str, Any]) -> "HeldState":
        """A copy in ordinary memory: it can be written while the training goes on."""
        tensors = {
            **_named("network", self.network.state_dict()),
            **_named("method", self.method.state_dict()),
            **_named("average", self.average.weights),
        }
        for index, entry in self.optimizer.state_dict()["state"].items():
            tensors |= _named(f"optimizer.{index}", entry)
        facts = {
            "step": str(self.step),
            "log": json.dumps(log),
            "scaler": json.dumps(self.scaler.state_dict()),
        }
        return HeldState({k: _copied(v) for k, v in tensors.items()}, facts)

    def load(self, path: Path) -> dict[str, Any]:
        """Restore all of it and return the log."""
        facts, tensors = _read(path)
        self.network.load_state_dict(_under("network", tensors))
        self.method.load_state_dict(_under("method", tensors))
        self.average.restore(_under("average", tensors))
        state = self.optimizer.state_dict()
        state["state"] = {}
        for name, value in _under("optimizer", tensors).items():
            index, _, key = name.partition(".")
            state["state"].setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(state)
        self.scaler.load_state_dict(json.loads(facts["scaler"]))
        self.step = int(facts["step"])
        log: dict[str, Any] = json.loads(facts["log"])
        return log


def save_network(path: Path, network: nn.Module) -> None:
    """The weights alone."""
    with whole_file(path) as part:
        save_file({k: _copied(v) for k, v in network.state_dict().items()}, part)


def load_network(path: Path, network: nn.Module) -> None:
    network.load_state_dict(_read(path)[1])


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            return stored.metadata() or {}, tensors
    except Exception as error:  # safetensors has its own exception type per defect
        raise EmbedgeError(
            "E-CHECKPOINT",
            f"cannot read the checkpoint: {error}",
            where=path,
            remedy="Delete this file to start this training again from step 0",
        ) from error


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _named(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{prefix}.{k}": v for k, v in tensors.items() if isinstance(v, Tensor)}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
