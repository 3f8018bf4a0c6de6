"""How big the house is and whether its rooms are in order: `python tools/house.py [--json]`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

from imports import Module, circles, inner_uses, modules_of, stray_arrows

MOST_LINES = 66_000
LONGEST_FILE = 400
LOOSE_FILES = 8

HERE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Spread:
    p50: int
    p90: int
    max: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> "Spread":
        ordered = sorted(sizes)
        cuts = quantiles(ordered, n=10, method="inclusive")
        return cls(round(cuts[4]), round(cuts[8]), ordered[-1])


@dataclass(frozen=True, slots=True)
class House:
    """What there is, and under the last five names what should not be."""

    lines: int
    rooms: dict[str, int]
    files: Spread
    functions: Spread
    loose: dict[str, int]
    untyped: int
    late_circles: tuple[tuple[str, ...], ...]
    circles: tuple[tuple[str, ...], ...]
    strays: tuple[str, ...]
    intruders: tuple[str, ...]
    long_files: tuple[str, ...]
    crowded: tuple[str, ...]


def house(root: Path = HERE) -> House:
    modules = modules_of(root / "src")
    loose = loose_files(modules)
    return House(
        lines=sum(module.lines for module in modules),
        rooms=lines_by_room(modules),
        files=Spread.of(module.lines for module in modules if not module.is_package),
        functions=Spread.of(length for module in modules for length in module.functions),
        loose=loose,
        untyped=sum(module.untyped for module in modules),
        late_circles=tuple(circles(modules, late=True)),
        circles=tuple(circles(modules)),
        strays=tuple(stray_arrows(modules)),
        intruders=tuple(inner_uses(modules, "embedge.train.render")),
        long_files=tuple(
            f"{module.name}: {module.lines}" for module in modules if module.lines > LONGEST_FILE
        ),
        crowded=tuple(f"{room}: {files}" for room, files in loose.items() if files > LOOSE_FILES),
    )


def lines_by_room(modules: Iterable[Module]) -> dict[str, int]:
    rooms: Counter[str] = Counter()
    for module in modules:
        rooms[module.room] += module.lines
    return dict(rooms.most_common())


def loose_files(modules: Iterable[Module]) -> dict[str, int]:
    """Modules lying on top of each folder, the fullest folder first."""
    folders = Counter(module.folder for module in modules if not module.is_package)
    return dict(folders.most_common())


def printed(found: House) -> str:
    fullest = ", ".join(f"{room} {files}" for room, files in list(found.loose.items())[:5])
    rooms = ", ".join(f"{room} {lines:,}" for room, lines in found.rooms.items())
    lines = [
        f"lines            {found.lines:,} (at most {MOST_LINES:,})",
        f"by room          {rooms}",
        f"lines a file     {_spread(found.files)}",
        f"lines a function {_spread(found.functions)}",
        f"fullest rooms    {fullest} (at most {LOOSE_FILES})",
        f"dict[str, Any]   {found.untyped}",
        *_listed("circles", [" → ".join(circle) for circle in found.circles]),
        *_listed("with late imports", [" → ".join(circle) for circle in found.late_circles]),
        *_listed("against layers", found.strays),
        *_listed("past a façade", found.intruders),
        *_listed(f"past {LONGEST_FILE} lines", found.long_files),
    ]
    return "\n".join(lines)


def _spread(sizes: Spread) -> str:
    return f"p50 {sizes.p50}, p90 {sizes.p90}, max {sizes.max}"


def _listed(what: str, entries: Iterable[str]) -> list[str]:
    every = list(entries)
    return [f"{what:<16} {len(every) or 'none'}", *(f"    {entry}" for entry in every)]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--root", type=Path, default=HERE, help="another checkout")
    options = parser.parse_args(arguments)
    found = house(options.root)
    print(json.dumps(asdict(found), indent=1) if options.json else printed(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
