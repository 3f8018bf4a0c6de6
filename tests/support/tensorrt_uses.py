"""Every name of TensorRT's interface that our code uses, read from the source.

The code calls one kind of object by one name everywhere (VOCABULARY), so the syntax tree tells what
`config.set_flag(...)` is. A parameter of type Any whose name is not in the vocabulary is an error:
nothing escapes by being called something else.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = [
    *sorted((REPOSITORY / "export/engines").rglob("*.py")),
    *sorted((REPOSITORY / "runtime/encoders/tensorrt").glob("*.py")),
]
# our name of an object -> TensorRT's class; "" is the module itself
VOCABULARY = {
    "trt": "",
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "parser_error": "ParserError",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "image": "ITensor",
    "layer": "ILayer",
    "cache": "ITimingCache",
    "inspector": "EngineInspector",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "_context": "IExecutionContext",
}
# what a call returns, where the next name follows at once
RETURNS = {
    ("INetworkDefinition", "get_input"): "ITensor",
    ("INetworkDefinition", "get_layer"): "ILayer",
    ("ILayer", "get_output"): "ITensor",
    ("IBuilderConfig", "get_timing_cache"): "ITimingCache",
}
OURS = {
    "log",
    "options",
    "owner",
    "severity",
    "module",
    "serialized",
    "done",
}  # Any, but not TensorRT's


@dataclass(frozen=True, slots=True)
class Use:
    """`kind` is read, write or call; an `optional` name is asked for with hasattr first."""

    owner: str
    name: str
    kind: str
    arguments: int
    keywords: tuple[str, ...]
    optional: bool
    place: str


def uses(sources: list[Path] = SOURCES) -> list[Use]:
    return [use for path in sources for use in uses_in(path.read_text(), path.name)]


def uses_in(text: str, name: str) -> list[Use]:
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    foreign = set(_foreign_names(tree))
    _require_vocabulary(tree, name)
    found: list[Use] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.extend(_attribute(node, parents, foreign, name))
        elif isinstance(node, ast.Call):
            found.extend(_asked_for(node, name))
    return found


def _attribute(
    node: ast.Attribute, parents: dict[ast.AST, ast.AST], foreign: set[str], name: str
) -> Iterator[Use]:
    owner = _owner(node.value)
    if owner is None or (isinstance(node.value, ast.Name) and node.value.id in foreign):
        return
    parent = parents[node]
    kind, arguments = "read", 0
    keywords: tuple[str, ...] = ()
    if isinstance(parent, ast.Call) and parent.func is node:
        starred = any(isinstance(one, ast.Starred) for one in parent.args)
        given = len(parent.args) - (node.attr == "__init__")  # there `self` is written out
        kind, arguments = "call", -1 if starred else given
        keywords = tuple(one.arg for one in parent.keywords if one.arg)
    elif isinstance(node.ctx, ast.Store):
        kind = "write"
    yield Use(owner, node.attr, kind, arguments, keywords, False, f"{name}:{node.lineno}")


def _asked_for(node: ast.Call, name: str) -> Iterator[Use]:
    """hasattr(owner, "name") and our _require(owner, "name", trt)."""
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    if function not in ("hasattr", "_require") or not isinstance(node.args[1], ast.Constant):
        return
    owner = _owner(node.args[0])
    if owner is not None:
        place = f"{name}:{node.lineno}"
        yield Use(owner, str(node.args[1].value), "read", 0, (), True, place)


def _owner(node: ast.expr) -> str | None:
    """The TensorRT class of an expression, or None when it is no TensorRT object."""
    if isinstance(node, ast.Name):
        return VOCABULARY.get(node.id)
    if isinstance(node, ast.Attribute):
        above = _owner(node.value)
        if above == "":  # trt.BuilderFlag
            return node.attr
        if above is None:
            return VOCABULARY.get(node.attr)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return RETURNS.get((_owner(node.func.value) or "", node.func.attr))
    return None


def _foreign_names(tree: ast.Module) -> Iterator[str]:
    """Names of the vocabulary that some function of this file annotates as one of our own types."""
    for name, annotation in _annotated(tree):
        if name in VOCABULARY and annotation not in ("Any", "ModuleType"):
            yield name


def _annotated(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            yield node.arg, ast.unparse(node.annotation)


def _require_vocabulary(tree: ast.Module, place: str) -> None:
    for name, annotation in _annotated(tree):
        if annotation == "Any" and name not in VOCABULARY and name not in OURS:
            raise AssertionError(f"{place}: is '{name}: Any' an object of TensorRT?")
