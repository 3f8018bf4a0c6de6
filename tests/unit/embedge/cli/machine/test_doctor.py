import json
from dataclasses import asdict
from typing import Literal

import pytest

import embedge.doctor
from embedge.cli import main
from embedge.doctor import Facts, Finding
from embedge.doctor.packages import Package
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDriver

PACKAGES = {"numpy": Package("numpy", (("numpy", "2.0"),), True, None)}
BARE = Facts(
    "3.11.7", "Linux", None, CudaDriver(0, None, (), "no CUDA driver"), (), PACKAGES, (), ()
)


@pytest.mark.parametrize(("level", "status"), [("note", 0), ("problem", 1)])
def test_only_what_does_not_work_ends_with_1(
    level: Literal["note", "problem"],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = Finding(level, "the fan is loud", "Oil it")
    monkeypatch.setattr(embedge.doctor, "machine_facts", lambda: BARE)
    monkeypatch.setattr(embedge.doctor, "findings", lambda facts: [one])
    assert main(["doctor", "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    assert (told["machine"], told["findings"]) == ("Linux", [asdict(one)])
    assert main(["doctor"]) == status
    assert "the fan is loud" in capsys.readouterr().out
