"""A trained student becomes an ONNX file that is proven equal to it."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from embedge.errors import EmbedgeError
from embedge.export.graph import OPSET
from embedge.export.graph.canonical import canonical
from embedge.export.graph.channels import lower_prelu
from embedge.export.graph.running import stamp
from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.sessions import ort_session

__all__ = ["onnx_from_student"]

_BATCHES = (1, 2, 32)
_TOLERANCE = 1e-4  # of the largest output: float32 rounding through fifty layers, nothing more


def onnx_from_student(
    module: nn.Module,
    contract: EmbeddingContract,
    path: Path,
    *,
    opset: int = OPSET,
    lower: bool = True,
) -> None:
    """Write FP32 ONNX: dynamic batch, batch norms folded, one file, the contract inside.

    `lower` writes PReLU as operators that ONNX Runtime runs faster; the other graphs of this
    package read either form. The file replaces `path` only once it agrees with the module on
    batches of 1, 2 and 32.
    """
    was_training = module.training
    module.eval()
    try:
        graph = canonical(_exported(module, contract, opset))
        if lower:
            lower_prelu(graph)
        stamp(graph, contract)
        graph.write(path, check=lambda model: _prove(model, module, contract))
    finally:
        module.train(was_training)


def _exported(module: nn.Module, contract: EmbeddingContract, opset: int) -> Graph:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The other exporter writes opset 18 and converts down, which it says may not succeed.
        warnings.simplefilter("ignore")
        raw = Path(folder) / "raw.onnx"
        torch.onnx.export(
            module,
            (_pictures(2, contract),),
            str(raw),
            input_names=["image"],
            output_names=["embedding"],
            dynamic_axes={"image": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=opset,
            dynamo=False,
            external_data=False,
        )
        return Graph.read(raw)


def _pictures(count: int, contract: EmbeddingContract) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    shape = (count, 3, contract.size, contract.size)
    return torch.rand(shape, generator=generator) * 2 - 1


def _prove(model: onnx.ModelProto, module: nn.Module, contract: EmbeddingContract) -> None:
    session = ort_session(model.SerializeToString())
    for count in _BATCHES:
        pictures = _pictures(count, contract)
        with torch.inference_mode():
            expected = module(pictures).numpy()
        found = session.run(["embedding"], {"image": pictures.numpy()})[0]
        if found.shape != expected.shape or found.shape[1] != contract.dim:
            raise EmbedgeError(
                "E-EXPORT",
                f"the exported graph writes {found.shape}, the student {expected.shape}, the"
                f" contract says {contract.dim} dimensions",
                remedy="Give the contract of this student",
            )
        error = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))
        if not error <= _TOLERANCE:
            raise EmbedgeError(
                "E-EXPORT",
                f"the exported graph differs from the student by {error:.2e} of its largest output"
                f" (at most {_TOLERANCE:.0e}) at batch {count}",
                remedy="Export in evaluation mode, without layers that draw random numbers",
            )
