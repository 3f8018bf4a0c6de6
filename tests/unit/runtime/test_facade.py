"""The names of the room: all there, imported late, and known to a type checker as what they are."""

import subprocess
import sys
from pathlib import Path

import pytest

import embedge.runtime


def test_every_name_is_there_and_no_other() -> None:
    for name in embedge.runtime.__all__:
        assert getattr(embedge.runtime, name) is not None
    assert dir(embedge.runtime) == sorted(embedge.runtime.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = embedge.runtime.nothing  # type: ignore[attr-defined]


def test_importing_it_imports_no_engine() -> None:
    code = "import embedge.runtime, sys; print({'numpy', 'onnxruntime', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_a_type_checker_sees_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs the dev extra")
    user = tmp_path / "user.py"
    user.write_text(
        "from embedge.runtime import EmbedgeError, FaceMatcher, Gallery, identify, key_from_file\n"
        "reveal_type(FaceMatcher.load)\n"
        "reveal_type(Gallery.open)\n"
        "reveal_type(identify)\n"
        "reveal_type(key_from_file)\n"
        "reveal_type(EmbedgeError)\n"
        "from embedge.runtime import nonsense\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(user)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    shown = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(shown) == 5, done.stdout
    assert not any('"Any"' in line for line in shown)
    assert 'has no attribute "nonsense"' in done.stdout
