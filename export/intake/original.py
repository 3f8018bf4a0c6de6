"""A foreign network as it came: its entrance, and what it answers when it is fed there."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from embedge.export.graph.surgery import unfit
from embedge.printed import counted
from embedge.runtime.contract import EmbeddingContract, arcface_template
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = ["Entrance", "Layout", "Original", "entrance_of", "shape_of"]

Layout = Literal["NCHW", "NHWC"]
Images = NDArray[np.uint8]
Rows = NDArray[np.float32]
_DOORS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8}
_LAYERS = {"Conv", "Gemm", "MatMul"}
_BATCH = 16
_LARGEST = 256  # pictures of a fixed batch, which has to be filled
_NAME_ONE = "Name an embedding with --output, of evaluate with --embedding"


@dataclass(frozen=True, slots=True)
class Entrance:
    """What the input takes; `batch` is a number where it is fixed."""

    name: str
    kind: int
    layout: Layout
    size: int
    batch: int | None

    def tensor(self, crops: Images, contract: EmbeddingContract) -> NDArray[Any]:
        planes = tensor_from_crops(crops, contract)
        if self.layout == "NHWC":
            planes = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        if self.kind == TensorProto.UINT8:
            pixels: NDArray[Any] = np.rint(planes).astype(np.uint8)
            return pixels
        fitting: NDArray[Any] = planes.astype(helper.tensor_dtype_to_np_dtype(self.kind))
        return fitting

    @property
    def whole_numbers(self) -> bool:
        """Nothing but the pixels as they are can enter."""
        return self.kind == TensorProto.UINT8


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def entrance_of(model: onnx.ModelProto, layout: Layout | None) -> Entrance:
    """Read from the only input; what is not one square picture of three colours is refused."""
    known = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in known]
    if len(inputs) != 1:
        names = ", ".join(item.name for item in inputs)
        raise unfit(
            f"the model has {len(inputs)} inputs ({names})",
            "Give an embedding network: one picture in, one embedding out",
        )
    entry = inputs[0]
    shape, kind = shape_of(entry), entry.type.tensor_type.elem_type
    if kind not in _DOORS:
        name = TensorProto.DataType.Name(kind)
        raise unfit(
            f"the input {entry.name} takes {name}", "Export it for float32 or uint8 pictures"
        )
    match shape:
        case [batch, 3, int() as height, int() as width] if layout != "NHWC":
            found: Layout = "NCHW"
        case [batch, int() as height, int() as width, 3] if layout != "NCHW":
            found = "NHWC"
        case _:
            said = "" if layout is None else f" and was stated to be {layout}"
            remedy = "Export it for pictures of one size; a dynamic height cannot be calibrated"
            if layout and 3 in shape[1:] and sum(isinstance(n, int) for n in shape[1:]) == 3:
                remedy = "Leave --layout out: which axis has the colours is read from the shape"
            raise unfit(
                f"the input {entry.name} has shape {shape}{said}, not one picture of three"
                " colours and of a height and width in numbers",
                remedy,
            )
    if height != width:
        raise unfit(
            f"the input {entry.name} takes pictures of {width}x{height}",
            "Export it for square crops: an embedding contract knows one size",
        )
    if isinstance(batch, int) and batch > _LARGEST:
        raise unfit(
            f"the input {entry.name} takes {batch} pictures at once",
            f"Export it for any number of pictures, or for at most {_LARGEST}",
        )
    return Entrance(entry.name, kind, found, height, batch if isinstance(batch, int) else None)


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """The network that everything is compared with; `contract` says how it is fed."""

    model: onnx.ModelProto
    entrance: Entrance
    session: Any

    @classmethod
    def of(cls, model: onnx.ModelProto, entrance: Entrance) -> "Original":
        return cls(model, entrance, ort_session(model.SerializeToString()))

    def features(self, crops: Images, contract: EmbeddingContract) -> Rows:
        """Rows as the network gives them; a fixed batch is filled up with repetitions."""
        size = self.entrance.batch or _BATCH
        rows = list[Rows]()
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            full = np.resize(part, (size, *part.shape[1:])) if self.entrance.batch else part
            feeds = {self.entrance.name: self.entrance.tensor(full, contract)}
            (found,) = run_session(self.session, None, feeds)
            rows.append(_as_rows(found, len(full))[: len(part)])
        return np.concatenate(rows)

    def reach(self, contract: EmbeddingContract) -> float | None:
        """How far black and white lie apart where the first layer reads them; None where nothing
        stands between it and the picture."""
        first = next((n.input[0] for n in self.model.graph.node if n.op_type in _LAYERS), None)
        if first is None or first == self.entrance.name:
            return None
        twin = onnx.ModelProto()
        twin.CopyFrom(self.model)
        del twin.graph.output[:]
        twin.graph.output.append(helper.make_tensor_value_info(first, TensorProto.FLOAT, None))
        size, count = self.entrance.size, self.entrance.batch or 1
        session, seen = ort_session(twin.SerializeToString()), list[NDArray[Any]]()
        for shade in (0, 255):
            crops = np.full((count, size, size, 3), shade, np.uint8)
            feeds = {self.entrance.name: self.entrance.tensor(crops, contract)}
            seen += run_session(session, None, feeds)
        return float(np.abs(seen[1] - seen[0]).max())

    def contract(self, digest: str) -> EmbeddingContract:
        """All of it that does not depend on how the pixels are fed."""
        shape = self.session.get_outputs()[0].shape
        size = self.entrance.size
        blank = EmbeddingContract("unknown", digest, 1, size, arcface_template(size))
        plain = replace(blank, mean=0.0, std=1.0)
        rows = self.features(
            np.zeros((1, self.entrance.size, self.entrance.size, 3), np.uint8), plain
        )
        if rows.shape[1] < 2:
            raise unfit(
                f"the output has shape {shape}",
                f"{_NAME_ONE}: one row a picture",
            )
        return replace(blank, dim=rows.shape[1])


def _as_rows(found: NDArray[Any], count: int) -> Rows:
    if len(found) != count or found.size != found.shape[0] * max(found.shape[1:], default=0):
        raise unfit(
            f"the output has shape {found.shape} for {counted(count, 'picture')}",
            f"{_NAME_ONE}: one row for each picture",
        )
    return found.reshape(count, -1).astype(np.float32)
