"""A torch network to ExecuTorch's XNNPACK: `pip install 'embedge[executorch]'`.

Batch one. XNNPACK keeps weights in 32 bits or in 8: a file in half precision would be as large.
"""

from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from embedge.export.graph.running import Images
from embedge.export.targets import Converted, quiet, refused, told
from embedge.optional import require
from embedge.runtime.contract import EmbeddingContract, tensor_from_crops

__all__ = ["executorch_from_network", "executorch_int8_from_network"]

_XNNPACK = "executorch.backends.xnnpack"


def executorch_from_network(network: nn.Module, contract: EmbeddingContract) -> Converted:
    """One file, in float32, every layer XNNPACK's."""
    with quiet():
        return _lowered(network, _picture(contract))


def executorch_int8_from_network(
    network: nn.Module, images: Images, contract: EmbeddingContract
) -> Converted:
    """By XNNPACK's own quantiser: symmetric weights per channel, activations per tensor."""
    with quiet():
        room = require(f"{_XNNPACK}.quantizer.xnnpack_quantizer", extra="executorch")
        steps = require("torchao.quantization.pt2e.quantize_pt2e", extra="executorch")
        wanted = room.get_symmetric_quantization_config(is_per_channel=True)
        quantiser = room.XNNPACKQuantizer().set_global(wanted)
        exported = torch.export.export(network, _picture(contract)).module()
        watched = steps.prepare_pt2e(exported, quantiser)
        with torch.no_grad():
            for crop in images:
                watched(torch.from_numpy(tensor_from_crops(crop[None], contract)))
        return _lowered(steps.convert_pt2e(watched), _picture(contract))


def _lowered(network: nn.Module, example: tuple[torch.Tensor]) -> Converted:
    exir = require("executorch.exir", extra="executorch")
    mine = require(f"{_XNNPACK}.partition.xnnpack_partitioner", extra="executorch")
    with told("ExecuTorch"):
        exported = torch.export.export(network, example)
        edge = exir.to_edge_transform_and_lower(exported, partitioner=[mine.XnnpackPartitioner()])
        made = edge.to_executorch()
    left = _left_over(made)
    if left:
        raise refused("ExecuTorch", f"XNNPACK leaves out {', '.join(left)}")
    tools = {"executorch": version("executorch"), "torch": torch.__version__}
    return Converted({".pte": bytes(made.buffer)}, tools)


def _left_over(made: Any) -> list[str]:
    """Operators of torch's own beside XNNPACK's: slow ones, which a phone's build need not have."""
    nodes = made.exported_program().graph_module.graph.nodes
    called = {
        getattr(n.target, "__name__", str(n.target)) for n in nodes if n.op == "call_function"
    }
    return sorted(called - {"executorch_call_delegate", "getitem"})


def _picture(contract: EmbeddingContract) -> tuple[torch.Tensor]:
    return (torch.zeros(1, 3, contract.size, contract.size),)
