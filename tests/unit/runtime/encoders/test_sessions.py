import os
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.sessions import model_bytes, ort_session, run_session

MODEL = tiny_onnx(tiny_contract(8))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"threads": 0}, "E-THREADS"),
        ({"threads": 100_000}, "E-THREADS"),
        ({"require_provider": "NoSuchProvider"}, "E-PROVIDER"),
        ({"providers": ["NoSuchProvider", "CPUExecutionProvider"]}, "E-PROVIDER"),
    ],
)
def test_what_cannot_be_had_is_an_error_and_never_replaced(
    options: dict[str, object], code: str
) -> None:
    with pytest.raises(EmbedgeError, match=code):
        ort_session(MODEL, **options)  # type: ignore[arg-type]


def test_a_session_keeps_no_second_copy_of_its_model() -> None:
    session = ort_session(MODEL)
    assert getattr(session, "_model_bytes", b"") == b""
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_what_fails_while_running_is_one_sentence() -> None:
    session = ort_session(MODEL)
    with pytest.raises(EmbedgeError, match=r"E-GRAPH: the model failed while running") as told:
        run_session(session, None, {"image": np.zeros((1, 3, 5, 5), np.float32)})
    assert "\n" not in told.value.what


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "null"])
def test_a_model_that_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("m\0" if kind == "null" else "m.onnx")
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(EmbedgeError, match="E-MODEL-MISSING"):
        model_bytes(path)
