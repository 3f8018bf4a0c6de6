"""A teacher on disk: an IResNet, its classifier and what it was trained on, in one safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, whole_file
from embedge.train.models import IResNet
from embedge.train.models.iresnet import DEPTHS

__all__ = ["SHIPPED", "Teacher", "load_teacher", "save_teacher"]

SHIPPED = Path(__file__).parent / "teachers" / "rendered.safetensors"
_FORMAT = "embedge.teacher/1"


@dataclass(frozen=True, slots=True)
class Teacher:
    """`head` has one unit row per identity in `facts["identities"]`."""

    network: IResNet
    head: Tensor
    digest: str
    facts: dict[str, Any]

    @property
    def space(self) -> str:
        """The id of the embedding space that this teacher spans."""
        return f"sha256:{self.digest[:32]}"


def save_teacher(path: Path, network: IResNet, head: Tensor, facts: dict[str, Any]) -> None:
    """Weights go to half precision: it changes no decision and halves the file."""
    weights = {f"network.{k}": _half(v) for k, v in network.state_dict().items()}
    head = torch.nn.functional.normalize(head.detach())
    with whole_file(path) as part:
        save_file(
            {**weights, "head": _half(head)},
            part,
            metadata={"format": _FORMAT, "facts": json.dumps(facts, sort_keys=True)},
        )


def load_teacher(path: Path) -> Teacher:
    if not path.is_file():
        raise EmbedgeError(
            "E-TEACHER", "there is no teacher file", where=path, remedy="Check the path"
        )
    try:
        with safe_open(path, framework="pt") as stored:
            facts = json.loads(stored.metadata()["facts"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        network = IResNet(DEPTHS[facts["depth"]], facts["dim"], channels=tuple(facts["channels"]))
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k != "head"}
        network.load_state_dict(weights)
    except Exception as error:  # any defect of a foreign file ends here
        raise EmbedgeError(
            "E-TEACHER",
            f"this is not a teacher that embedge wrote: {error}",
            where=path,
            remedy="Train one again, or restore the file",
        ) from error
    head = torch.nn.functional.normalize(tensors["head"].float())
    return Teacher(network.eval(), head, sha256_file(path), facts)


def _half(value: Tensor) -> Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()
