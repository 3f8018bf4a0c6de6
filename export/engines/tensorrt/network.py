"""ONNX file -> TensorRT network, typed as the graph says; every parser error in one list."""

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from embedge.errors import EmbedgeError
from embedge.export.engines.options import EngineOptions
from embedge.runtime.encoders.sessions import model_bytes, require_self_contained

__all__ = [
    "network_from_onnx",
    "network_kind",
    "tensor_types",
    "wants_float_weights",
    "wants_half_remainder",
]


def network_kind(trt: ModuleType, options: EngineOptions, *, half: bool) -> str:
    """The creation flag: strongly typed where it exists, but for two things that need flags.

    As long as precision flags exist (up to TensorRT 10), a DLA and the FP16 remainder of an INT8
    graph written in FP32 are had by flag; `half` says that the graph itself holds FP16.
    """
    flags = hasattr(trt.BuilderFlag, "FP16")
    strong = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    by_flag = options.dla is not None or (wants_half_remainder(options) and not half)
    if strong and not (flags and by_flag):
        return "STRONGLY_TYPED"
    explicit = hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
    return "EXPLICIT_BATCH" if explicit else "STRONGLY_TYPED"


def wants_half_remainder(options: EngineOptions) -> bool:
    return options.precision == "int8" and options.remainder == "fp16"


def wants_float_weights(trt: ModuleType) -> bool:
    """TensorRT 8 quantises FP32 weights itself; integers before a DQ came with strong typing."""
    return not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def network_from_onnx(
    trt: ModuleType, builder: Any, onnx: Path, options: EngineOptions, kind: str, log: Any
) -> tuple[Any, Any]:
    """(network, parser), or one error that names every node the parser refused.

    The parser owns the weights: it must live until the engine is built.
    """
    flag = getattr(trt.NetworkDefinitionCreationFlag, kind)
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, log)
    model = model_bytes(onnx)
    require_self_contained(model)  # the parser would read whatever file beside it the graph names
    if not parser.parse(model):
        complaints = [_complaint(parser.get_error(i)) for i in range(parser.num_errors)]
        raise EmbedgeError(
            "E-TRT-PARSE",
            "TensorRT's parser refuses the graph:\n  - " + "\n  - ".join(complaints or log.errors),
            where=onnx,
            remedy="Export again for this target (embedge quantize --target trt or trt8)",
        )
    _require_precision(network, onnx, options, kind == "STRONGLY_TYPED")
    _freeze_batch(network, options)
    return network, parser


def _freeze_batch(network: Any, options: EngineOptions) -> None:
    """One batch asked for is one shape: without a profile the inspector knows every shape."""
    if options.batches[0] != options.batches[2]:
        return
    image = network.get_input(0)
    batch, *rest = tuple(image.shape)
    if batch == -1:
        image.shape = (options.batches[0], *rest)


def tensor_types(network: Any) -> dict[str, int]:
    """How many layers of the parsed network produce each data type."""
    layers = (network.get_layer(i) for i in range(network.num_layers))
    names = (layer.get_output(0).dtype.name for layer in layers if layer.num_outputs)
    return dict(sorted(Counter(names).items()))


def _require_precision(network: Any, onnx: Path, options: EngineOptions, typed: bool) -> None:
    """Under strong typing the graph decides, so a graph without the precision is a mistake."""
    wanted = {"fp16": "HALF", "int8": "INT8"}.get(options.precision)
    if wanted is None or wanted in tensor_types(network):
        return
    if options.precision == "fp16" and not typed:
        return  # a weakly typed network takes FP16 from the builder flag
    raise EmbedgeError(
        "E-TRT-PRECISION",
        f"an {options.precision} engine was asked for, but no tensor of the graph is {wanted}",
        where=onnx,
        remedy=f"Give the {options.precision} graph of the bundle: precision is written in the"
        " graph",
    )


def _complaint(parser_error: Any) -> str:
    """One line for one parser error; TensorRT 8 knows the node's number only."""
    place = f"node {parser_error.node()}"
    if hasattr(parser_error, "node_name"):
        place += f" '{parser_error.node_name()}' ({parser_error.node_operator()})"
    return f"{place}: {parser_error.desc()}"
