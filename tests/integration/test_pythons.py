"""The base install runs under every Python that it promises and that is here."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import pythons

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_installs_imports_and_runs(version: str, tmp_path: Path) -> None:
    if pythons.interpreter(version) is None:
        pytest.skip(f"no python{version} here")
    outcome = pythons.tried(version, tmp_path)
    assert not outcome.wrong, outcome.said


def test_the_versions_are_those_promised() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    classifiers = [name.rpartition(" :: ")[2] for name in project["classifiers"]]
    assert [name for name in classifiers if name.startswith("3.")] == list(pythons.VERSIONS)
    assert project["requires-python"] == f">={pythons.VERSIONS[0]}"


def test_one_that_is_not_here_is_skipped_with_the_reason() -> None:
    command = [sys.executable, str(REPOSITORY / "tools" / "pythons.py"), "3.99"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Python 3.99: skipped: no python3.99 here\n")


def test_a_step_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [("importing", [sys.executable, "-c", "import no_such_thing"])]
    monkeypatch.setattr(pythons, "_steps", lambda python, folder: broken)
    outcome = pythons.tried(f"{sys.version_info[0]}.{sys.version_info[1]}", tmp_path)
    assert outcome.wrong
    assert "importing failed" in outcome.said
    assert "no_such_thing" in outcome.said
