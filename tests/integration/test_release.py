"""A release is the same file from the same tree, and whole."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import release

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release.built(tmp_path_factory.mktemp("first"))


def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_built_again_it_is_equal_to_the_byte(first: Path, tmp_path: Path) -> None:
    assert len(list(first.iterdir())) == 3
    assert release.unequal(first, release.built(tmp_path)) == []


def test_a_file_that_differs_is_named(first: Path, tmp_path: Path) -> None:
    other = release.built(tmp_path)
    wheel = next(other.glob("embedge-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"x")
    assert release.unequal(first, other) == [wheel.name]
    wheel.unlink()
    assert release.unequal(first, other) == [wheel.name]


def test_the_source_archive_builds_both_wheels(first: Path, tmp_path: Path) -> None:
    with tarfile.open(next(first.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for home in (source, source / "distributions" / "runtime"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
        subprocess.run(command, cwd=home, check=True, capture_output=True)
    for wheel in first.glob("*.whl"):
        assert members(tmp_path / wheel.name) == members(wheel)
    for name in ("SECURITY.md", "CONTRIBUTING.md", "LICENSE", "tests/conftest.py", "examples"):
        assert (source / name).exists()


def test_the_sums_are_those_that_sha256sum_checks(first: Path, tmp_path: Path) -> None:
    made = sorted(first.iterdir())
    (first / "SHA256SUMS").write_text(release.sums(made))
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=first, capture_output=True)
    assert done.returncode == 0
    (first / "SHA256SUMS").unlink()
