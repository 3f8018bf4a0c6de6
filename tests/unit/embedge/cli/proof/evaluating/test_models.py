from pathlib import Path

import pytest
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.subjects import opened_model
from embedge.cli.proof.evaluating.models import told_apart
from embedge.errors import EmbedgeError


def test_two_files_of_one_name_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(tiny_onnx(tiny_contract(64)))
    model = opened_model(str(path))
    taken = {Side("a"): "another"}
    assert told_apart(model, {}, "a.onnx") == Side("a")
    assert told_apart(model, taken, "a.onnx") == Side(f"a@{model.digest[:8]}")
    for again in ({Side("a"): model.digest}, {**taken, Side(f"a@{model.digest[:8]}"): "x"}):
        with pytest.raises(EmbedgeError, match=r"a\.onnx is given more than once"):
            told_apart(model, again, "a.onnx")


def test_a_model_that_is_called_like_the_data_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "the data.onnx"
    path.write_bytes(tiny_onnx(tiny_contract(64)))
    model = opened_model(str(path))
    assert told_apart(model, {}, path.name) == Side(f"the data@{model.digest[:8]}")
