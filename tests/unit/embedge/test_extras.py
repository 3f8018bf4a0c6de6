"""What an extra forces upon a device."""

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def packages(extra: str) -> set[str]:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    return {requirement.partition(">=")[0] for requirement in extras[extra]}


def test_engines_need_no_compiler() -> None:
    """pycuda is compiled where it is installed; cuda-bindings serves the same five functions."""
    assert packages("tensorrt") == {"tensorrt", "cuda-bindings"}
    assert "pycuda" not in packages("all") | packages("cuda")
    assert packages("pycuda") == {"pycuda"}
