"""What others make of the same network and the same pictures: their quantisers, as they come."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.closing import Spares
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.openvino import OpenVinoEncoder, shared_core
from embedge.runtime.encoders.sessions import ort_session

__all__ = ["NncfEncoder", "nncf_default", "ort_default"]

Tensors = Iterable[NDArray[np.float32]]


class _Feed:
    """ONNX Runtime's reader of calibration pictures."""

    def __init__(self, name: str, tensors: Tensors) -> None:
        self._feeds = ({name: tensor} for tensor in tensors)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def ort_default(model: Path, tensors: Tensors, out: Path) -> None:
    """`quantize_static` as its documentation advises for x86: U8 activations, S8 weights per
    channel, MinMax."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    quantize_static(
        str(model),
        str(out),
        _Feed(ort_session(model).get_inputs()[0].name, tensors),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


def nncf_default(model: Path, contract: EmbeddingContract, faces: Any, out: Path) -> int:
    """OpenVINO's own INT8 in two files beside `out`; how large they are together."""
    import nncf
    import openvino

    pictures = [tensor_from_crops(faces[i : i + 1], contract) for i in range(len(faces))]
    network = nncf.quantize(
        openvino.Core().read_model(model), nncf.Dataset(pictures), subset_size=len(pictures)
    )
    openvino.save_model(network, out.with_suffix(".xml"))
    return sum(out.with_suffix(end).stat().st_size for end in (".xml", ".bin"))


class NncfEncoder(OpenVinoEncoder):
    """What NNCF wrote, with the hints of our own encoder."""

    def __init__(self, network: Path, model: Path, contract: EmbeddingContract) -> None:
        super().__init__(model, contract, threads=1)
        hints = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
        theirs = shared_core().compile_model(
            shared_core().read_model(network.with_suffix(".xml")),
            "CPU",
            {**hints, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False},
        )
        self._spare = Spares(theirs.create_infer_request)
