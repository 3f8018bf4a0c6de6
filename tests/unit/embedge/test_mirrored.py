"""Every module of these rooms has its tests at the mirrored path, so that nobody looks for them."""

from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
UNIT = REPOSITORY / "tests" / "unit"
ROOMS = {
    "src/embedge/pipeline": "embedge/pipeline",
    "src/embedge/cli": "embedge/cli",
    "runtime/encoders": "runtime/encoders",
}


def mirrored() -> Iterator[str]:
    """Where the tests of each module belong, under tests/unit."""
    for room, tests in ROOMS.items():
        modules = {
            path.relative_to(REPOSITORY / room) for path in (REPOSITORY / room).rglob("*.py")
        }
        assert len(modules) > 1, room
        for module in sorted(one for one in modules if one.name != "__init__.py"):
            yield f"{tests}/{module.with_name(f'test_{module.name}').as_posix()}"


def test_every_module_has_its_tests_where_they_are_looked_for() -> None:
    missing = [path for path in mirrored() if not (UNIT / path).is_file()]
    assert not missing, "\n".join(["no tests at", *missing])
