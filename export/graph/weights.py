"""A model file and the weights that lie beside it, only inside the folder that was stated."""

import os
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor

from embedge.errors import EmbedgeError

__all__ = ["self_contained"]

_LARGEST = 2 << 30


def self_contained(path: Path, weights: Path | None) -> onnx.ModelProto:
    """The model with all its weights inside; `weights` is the folder that may be read."""
    model = _parsed(path)
    outside = [one for one in _tensors(model) if one.data_location == TensorProto.EXTERNAL]
    if not outside:
        return model
    if weights is None:
        raise EmbedgeError(
            "E-EXTERNAL-DATA",
            "the weights of this model lie in a second file",
            where=path,
            remedy="State the folder they may be read from: --weights FOLDER",
        )
    files = {_inside(weights, one) for one in outside}
    if (size := sum(file.stat().st_size for file in files)) > _LARGEST:
        raise _outside(weights, f"they are {size / 2**30:.1f} GiB", "Give a model under 2 GiB")
    for tensor in outside:
        try:
            load_external_data_for_tensor(tensor, str(weights))
        except Exception as error:  # onnx raises several classes, some of protobuf
            said = str(error).strip().splitlines()[0][:200]
            raise _outside(weights, f"they cannot be read: {said}", _COPY) from error
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    return model


_COPY = "Copy the weight file again from where the model came from"


def _parsed(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise EmbedgeError(
            "E-GRAPH",
            "there is no such ONNX file",
            where=path,
            remedy="Check the path of the model",
        )
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own, undocumented classes
        raise EmbedgeError(
            "E-GRAPH",
            "this is not an ONNX model (it does not parse)",
            where=path,
            remedy="Export the model again, or fetch the file again if the copy was cut short",
        ) from error
    if not model.graph.node:
        raise EmbedgeError(
            "E-GRAPH", "this ONNX model has no nodes", where=path, remedy="Export the model again"
        )
    return model


def _tensors(model: onnx.ModelProto) -> list[TensorProto]:
    inner = [item.t for node in model.graph.node for item in node.attribute if item.HasField("t")]
    return [*model.graph.initializer, *inner]


def _inside(weights: Path, tensor: TensorProto) -> Path:
    """The tensor's file, which must lie in the folder itself and not behind a link."""
    location = ExternalDataInfo(tensor).location
    path = weights / location
    home = os.path.realpath(weights)
    real = os.path.realpath(path)
    if not location or os.path.commonpath([home, real]) != home or path.is_symlink():
        raise _outside(
            weights,
            f"{tensor.name} names {location!r}, which is not inside this folder",
            "State the folder that holds the weight file, and no link to it",
        )
    if not path.is_file():
        raise _outside(weights, f"there is no {location!r} for {tensor.name}", _COPY)
    return path


def _outside(weights: Path, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-EXTERNAL-DATA", f"weights: {what}", where=weights, remedy=remedy)
