import json
from pathlib import Path

import pytest

from embedge.cli import main

SIZE = {"artifact": "int8-cpu", "at_most_bytes": 2_000_000}


def policy(folder: Path, **rules: object) -> str:
    path = folder / "policy.json"
    path.write_text(json.dumps({"policy": "embedge.policy/2", "gates": "none", **rules}))
    return str(path)


def test_every_check_is_a_line(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = policy(tmp_path, size=[SIZE, {**SIZE, "at_most_bytes": 1000}])
    assert main(["gate", str(good), "--policy", asked]) == 3
    told = capsys.readouterr()
    sizes = [line for line in told.out.splitlines() if "size" in line]
    assert [line.split()[0] for line in sizes] == ["pass", "FAIL"]
    assert f"E-GATE: 1 of {len(told.out.splitlines())} checks failed: size" in told.err


def test_json_says_whether_all_passed(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", str(good), "--policy", policy(tmp_path, size=[SIZE]), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["passed"] is True
    assert all(check["passed"] for check in answer["checks"])
    stricter = policy(tmp_path, size=[{**SIZE, "at_most_bytes": 1}])
    assert main(["gate", str(good), "--policy", stricter, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["passed"] is False
