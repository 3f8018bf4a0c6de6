import json

import pytest

from embedge import __version__
from embedge.cli import main


def test_version_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"embedge {__version__}\n"
    assert main(["--version", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["embedge"] == __version__
    assert facts["packages"]["numpy"].count(".") >= 2
    with pytest.raises(SystemExit, match="2"):
        main(["--json"])
    assert "--json belongs to --version" in capsys.readouterr().err
