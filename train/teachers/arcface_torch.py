"""Teachers that arcface_torch trained: `model.pt` / `backbone.pth`, and the head's shards.

The head of a run on n ranks lies in n files, `checkpoint_gpu_{r}.pt` (key state_dict_softmax_fc)
or the older `rank_{r}_softmax_weight.pt`; its rows are those of the ranks one after another.
Published sets of shards do not always add up, which is checked and said.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.train.models.iresnet import DEPTHS
from embedge.train.teachers.torch_teacher import network_from_facts

__all__ = ["head_from_shards", "network_from_checkpoint"]

_SHARD = re.compile(r"(?:checkpoint_gpu_|rank_|rank:)(\d+)")
_CLASSES = {85742: "MS1MV2", 93431: "MS1MV3", 360232: "Glint360K", 617970: "WebFace42M half"}


def network_from_checkpoint(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network whose parameters the checkpoint holds, and the facts that describe it."""
    weights = _weights(_loaded(path), path)
    facts = _facts(weights, path)
    network = network_from_facts(facts)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _foreign(path, " ".join(str(error).split())[:300]) from error
    return network.eval(), facts


def head_from_shards(paths: Sequence[Path], classes: int | None = None) -> Tensor:
    """The whole classifier, rows of length one, in the order of the ranks."""
    ranked = {_rank(path): path for path in paths}
    missing = sorted(set(range(max(ranked, default=0) + 1)) - set(ranked))
    if missing or len(ranked) != len(paths):
        raise EmbedgeError(
            "E-HEAD-SHARDS",
            f"{len(paths)} shards of ranks {sorted(ranked)}; missing: {missing or 'none'}",
            where=paths[0] if paths else None,
            remedy="Give every rank's file exactly once",
        )
    rows = torch.cat([_shard(ranked[rank]) for rank in sorted(ranked)])
    if classes is not None and len(rows) != classes:
        raise _does_not_add_up(paths, [len(_shard(ranked[r])) for r in sorted(ranked)], classes)
    return nn.functional.normalize(rows.float())


def _loaded(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EmbedgeError(
            "E-TEACHER", "there is no such file", where=path, remedy="Check the path"
        ) from error
    except Exception as error:  # pickle, zip and torch raise what they like
        reason = (str(error).strip().splitlines() or ["unreadable"])[0]
        raise _foreign(path, f"refused or damaged: {reason[:200]}") from error


def _weights(stored: Any, path: Path) -> dict[str, Tensor]:
    """A state dict, bare or under a usual key, without the prefix of DistributedDataParallel."""
    for key in ("state_dict_backbone", "state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
    if not isinstance(stored, dict) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise _foreign(path, "it holds no state dict")
    return {str(name).removeprefix("module."): value for name, value in stored.items()}


def _facts(weights: dict[str, Tensor], path: Path) -> dict[str, Any]:
    if "conv1.weight" in weights and "fc.weight" in weights:
        return _iresnet_facts(weights, path)
    if "conv_sep.layers.0.weight" in weights:
        dim = len(weights["features.layers.2.weight"])
        narrow = len(weights["layers.0.layers.0.weight"])
        return {"network": "mobilefacenet", "dim": dim, "scale": narrow // 64}
    raise _foreign(path, "neither an IResNet nor a MobileFaceNet by its parameter names")


def _iresnet_facts(weights: dict[str, Tensor], path: Path) -> dict[str, Any]:
    counts = tuple(_blocks(weights, f"layer{stage}") for stage in (1, 2, 3, 4))
    depths = {blocks: depth for depth, blocks in DEPTHS.items()}
    if counts not in depths:
        raise _foreign(path, f"an IResNet with {counts} blocks is none of r18 … r200")
    channels = [len(weights[f"layer{stage}.0.conv2.weight"]) for stage in (1, 2, 3, 4)]
    return {"depth": depths[counts], "dim": len(weights["fc.weight"]), "channels": channels}


def _blocks(weights: dict[str, Tensor], stage: str) -> int:
    return len({name.split(".")[1] for name in weights if name.startswith(f"{stage}.")})


def _rank(path: Path) -> int:
    found = _SHARD.search(path.name)
    if found is None:
        raise EmbedgeError(
            "E-HEAD-SHARDS",
            "the name does not say which rank wrote it",
            where=path,
            remedy="Keep the names checkpoint_gpu_{r}.pt or rank_{r}_softmax_weight.pt",
        )
    return int(found.group(1))


def _shard(path: Path) -> Tensor:
    stored = _loaded(path)
    if isinstance(stored, dict):
        stored = stored.get("state_dict_softmax_fc", stored)
    rows = stored.get("weight") if isinstance(stored, dict) else stored
    if not isinstance(rows, Tensor) or rows.ndim != 2:
        raise EmbedgeError(
            "E-HEAD-SHARDS",
            "it holds no matrix of class weights",
            where=path,
            remedy="Give files with state_dict_softmax_fc, or rank_{r}_softmax_weight.pt",
        )
    return rows


def _does_not_add_up(paths: Sequence[Path], rows: list[int], classes: int) -> EmbedgeError:
    total = sum(rows)
    known = f", which is {_CLASSES[total]}" if total in _CLASSES else ""
    even = len(set(rows)) == 1 and total < classes
    guess = "; a rank's file may be missing, or be another run's" if even else ""
    return EmbedgeError(
        "E-HEAD-SHARDS",
        f"{len(rows)} shards hold {' + '.join(map(str, rows))} = {total} classes{known}, expected"
        f" {classes}{guess}",
        where=paths[0].parent,
        remedy="Give the shards of this data set's run, or leave them out: the classes' centres"
        " are then recovered from the faces",
    )


def _foreign(path: Path, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-TEACHER",
        f"not a checkpoint of arcface_torch: {why}",
        where=path,
        remedy="Give model.pt or backbone.pth of an r18 … r200 or mbf, or an .onnx file",
    )
