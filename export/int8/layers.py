"""Which layers a graph has for INT8: by the names that people keep some of them by."""

from difflib import get_close_matches

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph, is_weighted

__all__ = ["layer_count", "named_layers", "require_layers"]

_SOME = 8
_LAYERS = {"Conv", "Gemm", "MatMul"}


def named_layers(graph: Graph, names: frozenset[str]) -> frozenset[str]:
    """The nodes of those names. A layer that was split is all of its parts."""
    known = [node.name for node in graph.nodes]
    found = set[str]()
    for name in sorted(names):
        mine = {one for one in known if one == name or one.startswith(f"{name}.part")}
        if not mine:
            raise _unknown(name, [node.name for node in graph.nodes if is_weighted(graph, node)])
        found |= mine
    return frozenset(found)


def require_layers(graph: Graph) -> None:
    """A network without one convolution or matrix product of known weights has no INT8."""
    if any(is_weighted(graph, node) for node in graph.nodes):
        return
    products = sum(node.op_type in _LAYERS for node in graph.nodes)
    raise EmbedgeError(
        "E-NOT-QUANTISABLE",
        f"0 of {products} convolutions and matrix products have weights that are known",
        remedy="Export the model with its weights as initialisers",
    )


def layer_count(graph: Graph, kept: frozenset[str]) -> tuple[int, int, tuple[str, ...]]:
    """(convolutions and matrix products, how many run in INT8, which have no constant weights)"""
    layers = [node for node in graph.nodes if node.op_type in _LAYERS]
    known = [node for node in layers if is_weighted(graph, node)]
    integer = sum(node.name not in kept for node in known)
    unknown = tuple(node.name for node in layers if not is_weighted(graph, node))
    return len(layers), integer, unknown


def _unknown(name: str, layers: list[str]) -> EmbedgeError:
    near = get_close_matches(name, layers, n=3, cutoff=0.5)
    remedy = (
        f"Did you mean {' or '.join(near)}?" if near else f"Some are: {', '.join(layers[:_SOME])}"
    )
    return EmbedgeError(
        "E-KEEP", f"the network has no layer {name!r} to keep in float", remedy=remedy
    )
