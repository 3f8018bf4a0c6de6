"""What `embedge bridge` decides before any network runs."""

from pathlib import Path

import numpy as np
import pytest

from embedge.cli import main


def rows(path: Path, people: int, dim: int) -> str:
    drawn = np.random.default_rng(dim).normal(size=(people, dim)).astype(np.float32)
    np.save(path, drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    return str(path)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_matrices_of_other_lengths_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = rows(tmp_path / "old.npy", 600, 8), rows(tmp_path / "new.npy", 599, 8)
    assert main(["bridge", old, new, "--out", str(tmp_path / "m.bridge")]) == 2
    said = told(capsys)
    assert said.startswith("embedge: E-")
    assert "599" in said
    assert not (tmp_path / "m.bridge").exists()


def test_a_missing_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = rows(tmp_path / "old.npy", 600, 8)
    assert main(["bridge", old, str(tmp_path / "no.npy"), "--out", str(tmp_path / "m")]) == 2
    said = told(capsys)
    assert said.startswith("embedge: E-")
    assert said.count("\n") == 1
