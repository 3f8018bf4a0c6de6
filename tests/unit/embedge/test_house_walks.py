"""The walks on the architecture page are those that real calls take."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from traced import files_entered
from walks import WALKS, Walk, rewritten

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
TOO_LONG: set[str] = set()


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    """In a process of its own: what another test has kept in a cache would be missed here."""
    command = [sys.executable, str(REPOSITORY / "tools" / "walks.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr
    return dict(zip((walk.name for walk in WALKS), done.stdout.strip().split("\n\n"), strict=True))


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
def test_the_page_lists_what_a_call_passes(printed: dict[str, str], walk: Walk) -> None:
    assert printed[walk.name] in PAGE, "run `python tools/walks.py --write`"


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
def test_no_walk_is_longer_than_promised(printed: dict[str, str], walk: Walk) -> None:
    found = re.search(r": (\d+) files \(at most (\d+)\)", printed[walk.name])
    assert found
    assert int(found[2]) == walk.most
    assert (int(found[1]) > walk.most) == (walk.name in TOO_LONG)


def test_a_file_counts_when_a_function_of_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, package = tmp_path / "room", tmp_path / "src" / "walked"
    package.mkdir(parents=True)
    room.mkdir()
    (package / "linked").symlink_to(room)
    (package / "asking.py").write_text("def f():\n    import late\n    return late.LATE\n")
    (room / "late.py").write_text("def g(): return 1\nclass C:\n    x = g()\nLATE = g()\n")
    monkeypatch.syspath_prepend(package)
    monkeypatch.syspath_prepend(room)
    asking = importlib.import_module("asking")
    assert files_entered(asking.f, tmp_path / "src", "walked") == ["asking.py"]
    late = importlib.import_module("late")
    assert files_entered(late.g, tmp_path / "src", "walked") == ["linked/late.py"]


def test_a_list_replaces_the_one_between_its_marks() -> None:
    walk = WALKS[0]
    marks = f"<!-- walk {walk.name} -->\n{{}}<!-- /walk -->\n"
    others = "before\n<!-- walk x -->\n<!-- /walk -->\n{}after"
    old = others.format(marks.format("old, old\n"))
    listed = f"**{walk.what}**: 1 files (at most {walk.most}): `a.py`\n"
    assert rewritten(old, walk, ["a.py"]) == others.format(marks.format(listed))
    with pytest.raises(SystemExit, match="has no place"):
        rewritten("nothing here", walk, [])
