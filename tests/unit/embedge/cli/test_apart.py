from pathlib import Path

import pytest

from embedge.cli import COMMANDS, main
from embedge.cli.apart import require_apart


@pytest.mark.parametrize(
    "command",
    [
        "quantize X --calib D --out X",
        "quantize L --calib D --out X",
        "quantize X --calib D --out new --json X",
        "quantize X --calib D --out new --json new",
        "quantize X --calib D --out D/picture.png",
        "evaluate --models M X --all-pairs --root D --output X",
        "evaluate --models B.embedge:int8 --all-pairs --root D --output B.embedge/manifest.json",
        "evaluate --models X --pairs M --root D --output M",
        "report diff M X --html M",
        "report summary X --out ./X",
        "report merge M X --out X",
        "data align D D/faces --detector X",
        "data convert D D/shards --to shards",
        "build-engine X --out X",
        "bench B.embedge --out B.embedge",
        "bridge X M --out M",
        "certify B.embedge D --old X --out D",
        "dossier X D --out D",
        "bundle X --faces D --out D",
    ],
)
def test_an_output_that_is_an_input_is_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("X", "M", "D/picture.png", "B.embedge/manifest.json"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    Path("L").symlink_to("X")
    assert main(command.split()) == 2
    assert "E-OVERWRITE" in capsys.readouterr().err
    assert Path("X").read_text() == "X"
    assert Path("M").read_text() == "M"


def test_a_result_beside_the_faces_may_be_written_again(tmp_path: Path) -> None:
    from argparse import Namespace

    (tmp_path / "result.json").write_text("{}")
    given = Namespace(root=tmp_path, output=tmp_path / "result.json", space="x")
    require_apart(given, ("output",), outside=False)


def test_every_command_with_an_output_names_it() -> None:
    import argparse
    import importlib

    for module, _ in COMMANDS.values():
        command = importlib.import_module(f"embedge.cli.{module}")
        parser = argparse.ArgumentParser()
        command.configure(parser)
        for action in parser._actions:
            if action.dest in ("out", "save_machine") or (
                action.dest in ("output", "json", "html") and action.type is Path
            ):
                assert action.dest in command.WRITES, (module, action.dest)
