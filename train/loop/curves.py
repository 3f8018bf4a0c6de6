"""What a training run tells of itself: curves, a CSV beside the checkpoint, TensorBoard."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.files import write_text
from embedge.optional import require
from embedge.train.loop import ranks
from embedge.train.methods.parts.method import Loss

__all__ = ["Curves", "Journal"]

Curves = dict[str, Any]
"""`step` and one list per series; under `watch` the same again for evaluations."""


class Journal:
    """The curves so far. They live in the checkpoint, so that a resumed run goes on with them."""

    def __init__(self, folder: Path, name: str, *, tensorboard: bool):
        self.curves: Curves = {"step": []}
        self._name = name
        self._csv, self._checks_csv = folder / f"{name}.csv", folder / f"{name}.watch.csv"
        self._events = folder / f"{name}.events" if tensorboard else None
        self._writer: Any = None

    def restore(self, curves: Curves, step: int) -> None:
        self.curves = curves
        self._open(step)

    def record(self, step: int, loss: Loss, gradient: Tensor) -> dict[str, float]:
        """The loss and its parts; a training that has left the numbers stops here."""
        values = {"loss": loss.total, **loss.parts, "the gradient": gradient}
        # one reading for all of them: each would wait for the device
        mine = torch.stack([value.detach().float() for value in values.values()])
        read = ranks.averaged(mine).cpu().tolist()
        found = dict(zip(values, read))
        if wrong := [f"{name} is {one}" for name, one in found.items() if not math.isfinite(one)]:
            raise self._diverged(step, ", ".join(wrong))
        row = {name: round(found[name], 5) for name in ("loss", *loss.parts)}
        _append(self.curves, step, row)
        self._tell(step, row)
        return row

    def require_finite(self, step: int, *modules: nn.Module) -> None:
        """Before weights are looked at or kept, which between two readings nobody has seen."""
        held = [one for module in modules for one in module.state_dict().values()]
        largest = [
            one.abs().max().float() for one in held if one.is_floating_point() and one.numel()
        ]
        if not math.isfinite(float(torch.stack(largest).max().cpu())):
            raise self._diverged(step, "weights are NaN or infinity")

    def _diverged(self, step: int, what: str) -> EmbedgeError:
        return EmbedgeError(
            "E-DIVERGED",
            f"training {self._name} went astray by step {step}: {what}",
            remedy="Lower this training's `lr`, lengthen its `warmup`, or set its `amp` to fp32",
        )

    def checked(self, step: int, found: dict[str, float]) -> bool:
        """Write an evaluation down; whether it is the best so far. Lower is better."""
        log = self.curves.setdefault("watch", {"step": []})
        first = next(iter(found))
        best = min(log.get(first, []), default=float("inf"))
        _append(log, step, found)
        self._tell(step, found)
        return found[first] < best

    @property
    def since_best(self) -> int:
        """Evaluations since the best one."""
        log = self.curves.get("watch", {})
        first = next((name for name in log if name != "step"), None)
        if first is None:
            return 0
        values: list[float] = log[first]
        return len(values) - 1 - values.index(min(values))

    def write(self) -> None:
        """The CSV of the steps and that of the evaluations, whole or absent."""
        steps = {name: values for name, values in self.curves.items() if name != "watch"}
        write_text(self._csv, _table(steps))
        if "watch" in self.curves:
            write_text(self._checks_csv, _table(self.curves["watch"]))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _open(self, step: int) -> None:
        if self._events is not None and self._writer is None:
            require("tensorboard", extra="tensorboard")
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._events), purge_step=step)

    def _tell(self, step: int, row: dict[str, float]) -> None:
        self._open(0)
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name, value, step)


def _table(log: Curves) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(log)
    table.writerows(zip(*log.values()))
    return text.getvalue()


def _append(log: Curves, step: int, row: dict[str, float]) -> None:
    log["step"].append(step)
    for name, value in row.items():
        log.setdefault(name, []).append(value)
