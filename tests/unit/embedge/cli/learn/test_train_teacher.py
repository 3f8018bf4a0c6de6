from pathlib import Path

import pytest
import yaml
from tiny_school import PEOPLE, tiny_recipe

from embedge.cli import main
from embedge.train.teachers import TorchTeacher


def test_a_teacher_ends_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "teacher.safetensors"
    recipe.write_text(yaml.safe_dump(tiny_recipe().to_json()))
    arguments = ["train-teacher", "--recipe", str(recipe), "--work", str(tmp_path / "work")]
    digests = []
    for _ in range(2):
        assert main([*arguments, "--out", str(out), "--teacher.dim", "12"]) == 0
        teacher = TorchTeacher.load(out)
        assert (teacher.dim, len(teacher.identities)) == (12, PEOPLE)
        digests.append(teacher.digest)
    assert digests[0] == digests[1]
    assert "teacher: reused" in capsys.readouterr().err
