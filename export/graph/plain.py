"""What onnx-ir's passes do for every model that is read: one flat graph whose nodes have names."""

import onnx
import onnx_ir as ir
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes

from embedge.errors import EmbedgeError

__all__ = ["plain_model"]


def plain_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Functions inlined, constants among the initialisers and these no inputs, no Identity, every
    node with a name of its own, nothing that nobody reads."""
    every = Sequential(
        passes.InlinePass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveInitializersFromInputsPass(),
        passes.IdentityEliminationPass(),
        passes.RemoveUnusedNodesPass(),
        passes.NameFixPass(),
    )
    try:
        return ir.to_proto(every(ir.from_proto(model)).model)
    except Exception as error:  # onnx-ir raises whatever its reader meets
        raise EmbedgeError(
            "E-GRAPH",
            f"the graph cannot be read: {str(error).strip().splitlines()[0][:200]}",
            remedy="Check the file with onnx.checker.check_model, and export it again",
        ) from error
