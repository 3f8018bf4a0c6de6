"""A teacher on disk: a network, its classifier and what it was trained on, in one safetensors."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, whole_file
from embedge.runtime.picture.images import RgbImage
from embedge.train.data.feeding.batches import pixels
from embedge.train.models import MobileFaceNet
from embedge.train.models.cost import NetworkCost
from embedge.train.models.iresnet import DEPTHS, IResNet
from embedge.train.teachers.teacher import Placement, Rows, Teacher

__all__ = ["TorchTeacher", "answered", "network_from_facts", "save_teacher"]

_FORMAT = "embedge.teacher/1"


class TorchTeacher(Teacher):
    kind = "torch"

    def __init__(self, network: nn.Module, head: Tensor | None, digest: str, facts: dict[str, Any]):
        self.network, self.head, self.digest, self.facts = network, head, digest, facts
        self.dim = int(facts["dim"])
        self.identities = tuple(facts.get("identities", ()))
        self.where = Placement()

    @classmethod
    def load(cls, path: Path) -> "TorchTeacher":
        try:
            with safe_open(path, framework="pt") as stored:
                facts = json.loads(stored.metadata()["facts"])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            head = tensors.pop("head", None)
            network = network_from_facts(facts)
            network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items()})
        except Exception as error:  # any defect of a foreign file ends here
            raise EmbedgeError(
                "E-TEACHER",
                f"this is not a teacher that embedge wrote: {error}",
                where=path,
                remedy="Train one again, or restore the file",
            ) from error
        unit = None if head is None else nn.functional.normalize(head.float())
        return cls(network.eval(), unit, sha256_file(path), facts)

    def placed(self, where: Placement) -> Self:
        """Bytes go to the device; half precision is for the network alone."""
        self.network.to(where.device)
        if where.device != "cpu":
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.where, self.batch, self.device = where, where.batch, where.device
        return self

    def features(self, images: RgbImage) -> Rows:
        there = torch.from_numpy(np.array(images)).to(self.where.device)
        return answered(self.network, pixels(there), self.where)

    def cost(self) -> NetworkCost:
        return NetworkCost.of(self.network)


def answered(network: nn.Module, images: Tensor, where: Placement) -> Rows:
    """Rows in ordinary memory, computed in the precision that was asked for."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(where.amp)
    half = torch.autocast(images.device.type, kind) if kind else nullcontext()
    with torch.inference_mode(), half:
        rows: Tensor = network(images)
    found: Rows = rows.float().cpu().numpy()
    return found


def network_from_facts(facts: dict[str, Any]) -> nn.Module:
    """`network` "mobilefacenet" with scale, or an IResNet with depth and channels."""
    if facts.get("network") == "mobilefacenet":
        return MobileFaceNet(facts["dim"], scale=facts["scale"])
    return IResNet(DEPTHS[facts["depth"]], facts["dim"], channels=tuple(facts["channels"]))


def save_teacher(
    path: Path, network: nn.Module, head: Tensor | None, facts: dict[str, Any]
) -> None:
    """Weights go to half precision: it changes no decision and halves the file."""
    tensors = {f"network.{k}": _half(v) for k, v in network.state_dict().items()}
    if head is not None:
        tensors["head"] = _half(nn.functional.normalize(head.detach().float()))
    # one entry only: safetensors writes several in any order, and the file's digest names a space
    described = json.dumps({**facts, "format": _FORMAT}, sort_keys=True)
    with whole_file(path) as part:
        save_file(tensors, part, metadata={"facts": described})


def _half(value: Tensor) -> Tensor:
    return value.to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
