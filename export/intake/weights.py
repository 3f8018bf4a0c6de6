"""Weights that lie beside a model file, read only inside the folder that was stated."""

import os
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import kept_outside, parsed_model, whole_model

__all__ = ["model_with_weights"]

_LARGEST = 2 << 30
_EXPORT = "Export the model again"
_COPY = "Copy the weight file again from where the model came from"


def model_with_weights(path: Path, weights: Path | None) -> onnx.ModelProto:
    """The model with all its weights inside; `weights` is the folder that may be read."""
    if weights is None:
        return whole_model(path)
    model = parsed_model(path)
    outside = kept_outside(model)
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


def _inside(weights: Path, tensor: TensorProto) -> Path:
    """The tensor's file, which must lie in the folder itself and not behind a link."""
    try:
        location = ExternalDataInfo(tensor).location
        path = weights / location
        home = os.path.realpath(weights)
        real = os.path.realpath(path)
    except ValueError as error:  # no number where one should be, or a name that no file can have
        said = str(error).strip().splitlines()[0][:200]
        raise _outside(
            weights, f"where {tensor.name} lies cannot be read: {said}", _EXPORT
        ) from error
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
