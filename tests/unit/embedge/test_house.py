"""The rooms stay in order, and the tool that says so sees disorder."""

import json
from pathlib import Path

import pytest
from house import MOST_LINES, House, house, main
from imports import circles, inner_uses, modules_of, room_of, stray_arrows


@pytest.fixture(scope="module")
def ours() -> House:
    return house()


@pytest.mark.parametrize("disorder", ["circles", "strays", "intruders", "long_files"])
def test_nothing_is_out_of_order(ours: House, disorder: str) -> None:
    assert getattr(ours, disorder) == ()


def test_no_room_is_crowded(ours: House) -> None:
    assert ours.crowded == ()


def test_the_house_grows_no_further(ours: House) -> None:
    assert ours.lines <= MOST_LINES


def test_every_room_is_counted(ours: House) -> None:
    assert sum(ours.rooms.values()) == ours.lines
    assert {"runtime", "calibration", "train", "export", "pipeline", "report"} <= set(ours.rooms)


def test_prints_what_it_found(capsys: pytest.CaptureFixture[str], ours: House) -> None:
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == ours.lines
    assert main([]) == 0
    assert f"{ours.lines:,} (at most {MOST_LINES:,})" in capsys.readouterr().out


def test_a_circle_is_seen_and_late_imports_are_none(tmp_path: Path) -> None:
    modules = modules_of(
        _tree(
            tmp_path,
            {
                "runtime/a.py": "try:\n    from embedge.runtime import b\nexcept OSError: ...\n",
                "runtime/b.py": "from embedge.runtime.c import thing\n",
                "runtime/c.py": "class C:\n    import embedge.runtime.a\n",
                "runtime/d.py": "def f():\n    from embedge.runtime.e import x\n",
                "runtime/e.py": "from embedge.runtime.d import f\n",
                "runtime/g.py": "if TYPE_CHECKING:\n    from embedge.runtime.h import x\n",
                "runtime/h.py": "import embedge.runtime.g\n",
            },
        )
    )
    three = ("embedge.runtime.a", "embedge.runtime.b", "embedge.runtime.c")
    assert circles(modules) == [three]
    assert circles(modules, late=True) == [
        three,
        ("embedge.runtime.d", "embedge.runtime.e"),
        ("embedge.runtime.g", "embedge.runtime.h"),
    ]


@pytest.mark.parametrize(
    ("room", "target", "stray"),
    [
        ("runtime", "calibration", True),
        ("runtime", "bench", True),
        ("calibration", "runtime", False),
        ("calibration", "bench", True),
        ("bench", "runtime", False),
        ("bench", "export", True),
        ("doctor", "train", True),
        ("train", "calibration", False),
        ("train", "export", True),
        ("train", "bench", True),
        ("export", "bench", False),
        ("export", "doctor", False),
        ("export", "train", True),
        ("export", "pipeline", True),
        ("report", "export", False),
        ("cli", "pipeline", False),
    ],
)
def test_arrows_point_down_even_inside_functions(
    tmp_path: Path, room: str, target: str, stray: bool
) -> None:
    files = {
        f"{room}/one.py": f"def f():\n    from embedge.{target}.other import x\n",
        f"{target}/other.py": "from embedge.errors import EmbedgeError\n",
        "errors.py": "class EmbedgeError(Exception): ...\n",
    }
    arrow = f"embedge.{room}.one → embedge.{target}.other"
    assert stray_arrows(modules_of(_tree(tmp_path, files))) == [arrow] * stray


def test_a_facade_is_not_passed(tmp_path: Path) -> None:
    files = {
        "train/render/__init__.py": "from embedge.train.render.inner import draw\n",
        "train/render/inner.py": "draw = 1\n",
        "train/good.py": "from embedge.train.render import draw\n",
        "train/bad.py": "from embedge.train.render.inner import draw\n",
    }
    uses = inner_uses(modules_of(_tree(tmp_path, files)), "embedge.train.render")
    assert uses == ["embedge.train.bad → embedge.train.render.inner"]


def test_loose_modules_are_the_ground_but_main_is_the_command() -> None:
    assert [room_of(name) for name in ("embedge", "embedge.errors", "embedge.__main__")] == [
        "ground",
        "ground",
        "cli",
    ]


def test_disorder_is_counted(tmp_path: Path) -> None:
    files = {f"train/m{n}.py": f"def f{n}():\n    return {n}\n" for n in range(9)}
    files["train/m0.py"] += "x: dict[str, Any]\n" * 400
    found = house(_tree(tmp_path, files).parent)
    assert found.crowded == ("embedge.train: 9",)
    assert found.long_files == ("embedge.train.m0: 402",)
    assert (found.lines, found.untyped, found.functions.max) == (402 + 8 * 2, 400, 2)


def _tree(folder: Path, files: dict[str, str]) -> Path:
    source = folder / "src"
    for name, text in files.items():
        path = source / "embedge" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in (path.parent, source / "embedge"):
            (package / "__init__.py").touch()
        path.write_text(text)
    return source
