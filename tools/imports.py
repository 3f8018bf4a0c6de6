"""The arrows between the modules of the product, read from their syntax."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Module",
    "circles",
    "inner_uses",
    "module_paths",
    "modules_of",
    "room_of",
    "stray_arrows",
]

# What a room may import besides itself and the ground (errors, files, progress and their like).
BELOW = {
    "ground": frozenset[str](),
    "runtime": frozenset[str](),
    "calibration": frozenset({"runtime"}),
    "bench": frozenset({"runtime"}),
    "doctor": frozenset({"runtime"}),
    "train": frozenset({"runtime", "calibration"}),
    "export": frozenset({"runtime", "calibration", "bench", "doctor"}),
}
TOP = frozenset({"report", "pipeline", "cli", "demo_page"})  # these may import every room


@dataclass(frozen=True, slots=True)
class Module:
    """`arrows` are followed when the module is imported, `late` ones only when a function runs."""

    name: str
    is_package: bool
    lines: int
    functions: tuple[int, ...]
    untyped: int
    arrows: frozenset[str]
    late: frozenset[str]

    @property
    def folder(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def room(self) -> str:
        return room_of(self.name)


def room_of(name: str) -> str:
    """The first folder under `embedge`; loose modules there are the ground all rooms stand on."""
    room = name.split(".")[1] if "." in name else "ground"
    if room == "__main__":
        return "cli"
    return room if room in BELOW or room in TOP else "ground"


def modules_of(source: Path) -> list[Module]:
    paths = module_paths(source)
    return [_module(name, path, paths) for name, path in sorted(paths.items())]


def module_paths(source: Path) -> dict[str, Path]:
    """Every module under `source` by its name, through the symlinks to the rooms."""
    return {
        _name(path.relative_to(source)): path
        for folder in _folders(source / "embedge")
        for path in folder.glob("*.py")
    }


def circles(modules: Iterable[Module], *, late: bool = False) -> list[tuple[str, ...]]:
    """Groups of modules that import each other while they are imported, or later as well."""
    arrows = {m.name: m.arrows | m.late if late else m.arrows for m in modules}
    ahead = {name: _reached(name, arrows) for name in arrows}
    found = {
        tuple(sorted(other for other in ahead[name] if name in ahead[other]))
        for name in ahead
        if name in ahead[name]
    }
    return sorted(found)


def stray_arrows(modules: Iterable[Module]) -> list[str]:
    """Imports that point up or across."""
    return [
        f"{module.name} → {target}"
        for module in modules
        for target in sorted(module.arrows | module.late)
        if not _may(module.room, room_of(target))
    ]


def inner_uses(modules: Iterable[Module], facade: str) -> list[str]:
    """Imports from outside of what stands behind a façade."""
    return [
        f"{module.name} → {target}"
        for module in modules
        for target in sorted(module.arrows | module.late)
        if target.startswith(f"{facade}.") and not f"{module.name}.".startswith(f"{facade}.")
    ]


def _may(room: str, other: str) -> bool:
    return other in (room, "ground") or room in TOP or other in BELOW.get(room, ())


def _folders(top: Path) -> Iterator[Path]:
    yield top
    for folder in sorted(top.iterdir()):
        if folder.is_dir() and folder.name != "__pycache__":
            yield from _folders(folder)


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(name: str, path: Path, known: Mapping[str, Path]) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    early, late = set[str](), set[str]()
    _follow(tree.body, early, late)
    return Module(
        name=name,
        is_package=path.name == "__init__.py",
        lines=len(text.splitlines()),
        functions=tuple(_lengths(tree)),
        untyped=len(re.findall(r"dict\[str, Any\]", text)),
        arrows=frozenset(_known(early, known) - {name}),
        late=frozenset(_known(late, known) - {name}),
    )


def _lengths(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def _follow(nodes: Iterable[ast.AST], early: set[str], late: set[str]) -> None:
    """Imports at module level (in `if`, `try` and classes too), and those inside functions."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            _follow(ast.iter_child_nodes(node), late, late)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            _follow(node.body, late, late)
            _follow(node.orelse, early, late)
        else:
            early.update(_targets(node))
            _follow(ast.iter_child_nodes(node), early, late)


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _known(targets: Iterable[str], known: Mapping[str, Path]) -> set[str]:
    """`a.b.c` is the module of that name, or the name c in the module `a.b`."""
    names = {t if t in known else t.rpartition(".")[0] for t in targets}
    return {name for name in names if name in known}


def _reached(start: str, arrows: Mapping[str, Iterable[str]]) -> set[str]:
    seen, waiting = set[str](), list(arrows[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += arrows[name]
    return seen
