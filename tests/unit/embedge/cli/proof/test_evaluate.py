import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_contract, tiny_onnx

from embedge.cli import main
from embedge.cli.proof import evaluate
from embedge.cli.proof.evaluating.models import flip_of


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.configure(parser)
    return parser.parse_args(["--models", "a.onnx", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pairs", "p", "--matrix"], "E-EVALUATE-OPTIONS: --matrix and --groups"),
        (["--bin", "p", "--groups", "g"], "E-EVALUATE-OPTIONS: --matrix and --groups"),
        (["--all-pairs", "--groups-fmr", "0.1"], "--groups-fmr says nothing without groups"),
        (["--all-pairs"], "E-EVALUATE-ROOT"),
        (["--pairs", "p"], "E-EVALUATE-ROOT"),
    ],
)
def test_mistakes_are_told_before_a_model_is_opened(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--models", "absent.onnx", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_only_published_protocols_mirror_without_being_asked() -> None:
    assert flip_of(options("--bin", "lfw.bin")) == "sum"
    assert flip_of(options("--ijb", "IJBC")) == "sum"
    assert flip_of(options("--bin", "lfw.bin", "--flip", "none")) == "none"
    assert flip_of(options("--all-pairs")) is None
    facts = evaluate._protocol(options("--ijb", "data/IJBC", "--ijb-protocol", "1:N"))
    assert (facts.source, facts.part, facts.flip) == ("IJBC", "1:N", "sum")


def test_a_leak_ends_with_3_and_the_figures_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, trained = tmp_path / "a.onnx", tmp_path / "trained.txt"
    model.write_bytes(tiny_onnx(tiny_contract(64)))
    trained.write_text("somebody\n p1 \n")
    asked = ["evaluate", "--models", str(model), "--all-pairs", "--root", str(people(tmp_path))]
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["findings"] == []
    assert main([*asked, "--json", "--trained-on", str(trained)]) == 3
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [one["examples"] for one in found["data"]["findings"]] == [["p1"]]
    assert found["models"][0]["result"]["comparison"]["genuine"] == 4
    assert "faults that spoil these figures" in told.err


def people(folder: Path) -> Path:
    """Two pictures each of four people, the second full of grain; grey, as they are no faces."""
    for person in range(4):
        home = folder / "faces" / f"p{person}"
        home.mkdir(parents=True)
        grey = face_like(person).mean(axis=2, keepdims=True)
        face = np.repeat(grey, 3, axis=2).astype(np.uint8)
        grain = np.random.default_rng(person).integers(-40, 41, grey.shape)
        grainy = np.repeat(np.clip(grey + grain, 0, 255), 3, axis=2).astype(np.uint8)
        for number, picture in enumerate((face, grainy)):
            Image.fromarray(picture).save(home / f"{number}.png")
    return folder / "faces"


def test_a_matrix_of_two_spaces_is_refused_before_anything_is_embedded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path, space in zip(paths, "ab"):
        path.write_bytes(tiny_onnx(tiny_contract(64, space=space * 64)))
    monkeypatch.setattr(evaluate, "_trial", lambda options: pytest.fail("the faces were opened"))
    asked = ["evaluate", "--models", *map(str, paths), "--all-pairs", "--root", str(tmp_path)]
    assert main([*asked, "--matrix"]) == 2
    said = capsys.readouterr().err
    assert "E-SPACE: --matrix compares models of one space" in said
    assert "--space NAME" in said


def test_a_list_of_strangers_is_no_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, listed = tmp_path / "a.onnx", tmp_path / "trained.txt"
    model.write_bytes(tiny_onnx(tiny_contract(64)))
    asked = ["evaluate", "--models", str(model), "--all-pairs", "--root", str(people(tmp_path))]
    asked += ["--trained-on", str(listed), "--report", str(tmp_path / "out"), "--eer-at-most", "1"]
    listed.write_text("somebody-else\n")
    main(asked)
    assert "not checked: the list of 1 name names nobody here" in capsys.readouterr().out
    read = json.loads((tmp_path / "out" / "report.json").read_text())["evaluation"]["dataset"]
    assert "not checked" in read["people"]
    assert read["thresholds_on"] == "not checked"
    listed.write_text("p77\n")
    main(asked)
    read = json.loads((tmp_path / "out" / "report.json").read_text())["evaluation"]["dataset"]
    assert "list of 1 name, 0 among these people" in read["people"]


def test_a_gate_that_is_not_shown_is_told_with_value_bound_option_and_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "a.onnx"
    model.write_bytes(tiny_onnx(tiny_contract(64)))
    asked = ["evaluate", "--models", str(model), "--all-pairs", "--root", str(people(tmp_path))]
    assert main([*asked, "--eer-at-most", "0.001"]) == 0
    told = capsys.readouterr().err
    assert "is NOT SHOWN to hold" in told
    assert ", not ≤ 0.1 % (--eer-at-most); 0 % seen, needs at least 3,689 people: equal" in told
