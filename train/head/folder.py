"""A head on disk: safetensors shards and an index, read through memory maps by row range.

The files are those that any safetensors reader opens. They are mapped here rather than loaded, so
that a rank reads only the rows it owns, whatever number of ranks wrote them, and a range inside one
file needs no host memory at all beyond the page cache.
"""

import json
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import whole_file, write_json

__all__ = ["HeadFolder", "write_head", "write_shard"]

_INDEX = "head.json"
_KEY = "weight"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows low…high−1, mapped."""

    low: int
    high: int
    rows: Tensor


@dataclass(frozen=True, slots=True)
class HeadFolder:
    """The rows of a head, wherever they lie; opening it reads nothing but headers."""

    parts: tuple[_Part, ...]
    classes: int
    dim: int
    dtype: torch.dtype

    @classmethod
    def open(cls, folder: Path) -> "HeadFolder":
        index = _read_index(folder)
        parts = []
        for entry in index["shards"]:
            rows = _mapped(folder / entry["file"])
            parts.append(_Part(entry["low"], entry["low"] + len(rows), rows))
        parts.sort(key=lambda part: part.low)
        _check_complete(parts, index["classes"], folder)
        return cls(tuple(parts), index["classes"], parts[0].rows.shape[1], parts[0].rows.dtype)

    def rows(
        self,
        low: int = 0,
        high: int | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Rows low…high−1. On the CPU, in the stored dtype and from one file, they are the map."""
        high = self.classes if high is None else high
        pieces = [
            part.rows[max(low - part.low, 0) : high - part.low]
            for part in self.parts
            if part.low < high and part.high > low
        ]
        kind, place = dtype or self.dtype, torch.device(device)
        if len(pieces) == 1 and kind == self.dtype and place.type == "cpu":
            return pieces[0]
        # filled piece by piece: the whole is never twice in host memory
        whole = torch.empty(high - low, self.dim, dtype=kind, device=place)
        start = 0
        for piece in pieces:
            whole[start : start + len(piece)].copy_(piece)
            start += len(piece)
        return whole


def write_head(folder: Path, shards: Iterable[Tensor], *, rows_per_file: int | None = None) -> None:
    """Write a head from its parts in class order, holding one part at a time."""
    entries, low = [], 0
    for rows in shards:
        for piece in rows.split(rows_per_file or max(len(rows), 1)):
            entries.append(write_shard(folder, piece, low))
            low += len(piece)
    write_json(folder / _INDEX, {"format": "embedge.head/1", "classes": low, "shards": entries})


def write_shard(folder: Path, rows: Tensor, low: int) -> dict[str, Any]:
    """Write rows low… and return their entry of the index, which one rank writes for all."""
    name = f"rows-{low:09d}.safetensors"
    with whole_file(folder / name) as part:
        save_file({_KEY: rows.detach().cpu().contiguous()}, part)
    return {"file": name, "low": low, "rows": len(rows)}


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / _INDEX).read_text())
        if index["format"] == "embedge.head/1" and index["shards"]:
            return dict(index)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(f"the index cannot be read: {error}", folder / _INDEX) from error
    raise _broken("this is not the index of a head", folder / _INDEX)


def _mapped(path: Path) -> Tensor:
    """The tensor inside a safetensors file, without reading it."""
    try:
        with path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        start = 8 + int.from_bytes(data[:8], "little")
        entry = json.loads(data[8:start])[_KEY]
        first, last = entry["data_offsets"]
        dtype, (rows, dim) = _DTYPES[entry["dtype"]], entry["shape"]
        count = (last - first) // dtype.itemsize
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=start + first)
        return flat.view(rows, dim)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _broken(f"the shard cannot be read: {error}", path) from error


def _check_complete(parts: list[_Part], classes: int, folder: Path) -> None:
    reached = 0
    for part in parts:
        if part.low != reached:
            raise _broken(f"rows from {reached} to {part.low} are missing or double", folder)
        reached = part.high
    if reached != classes:
        raise _broken(f"the shards hold {reached} rows, the index says {classes}", folder)
    if len({(part.rows.shape[1], part.rows.dtype) for part in parts}) > 1:
        raise _broken("the shards differ in dimension or precision", folder)


def _broken(what: str, where: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-HEAD-FOLDER", what, where=where, remedy="Write the head again from its checkpoint"
    )
