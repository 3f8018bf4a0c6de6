from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.export.golden import golden_from_graphs
from embedge.runtime import FaceMatcher
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders import bundled
from embedge.runtime.encoders.bundled import encoder_from_bundle
from embedge.runtime.selftest import first_load
from embedge.runtime.selftest.golden import GOLDEN

FACES = np.stack([face_like(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    path.write_bytes(tiny_onnx(tiny_contract(64)))
    return golden_from_graphs({"fp32": path, "raw": path}, tiny_contract(64), FACES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(first_load.SWITCH, raising=False)
    return tmp_path / "cache" / "embedge" / "selftest"


@pytest.fixture
def tests_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The artifact of every test that was really run."""
    run: list[str] = []
    real = first_load.tested_encoder

    def counted(encoder: Any, golden: Any, artifact: str) -> object:
        run.append(artifact)
        return real(encoder, golden, artifact)

    monkeypatch.setattr(first_load, "tested_encoder", counted)
    return run


def with_golden(folder: Path, golden: bytes, model: bytes | None = None) -> Path:
    files = {GOLDEN: golden}
    return tiny_bundle(folder, files=files | ({"student.fp32.onnx": model} if model else {}))


def test_a_bundle_is_asked_once_on_a_machine(
    tmp_path: Path, golden: bytes, cache: Path, tests_run: list[str]
) -> None:
    path = with_golden(tmp_path / "tiny.embedge", golden)
    for _ in range(3):
        FaceMatcher.load(path, threads=1).close()
    assert tests_run == ["fp32"]
    FaceMatcher.load(path, "raw", threads=1).close()
    assert tests_run == ["fp32", "raw"]
    assert len(list(cache.iterdir())) == 2
    assert not [file for file in path.rglob("*") if "selftest" in file.name]


def test_another_processor_or_bundle_is_asked_again(
    tmp_path: Path,
    golden: bytes,
    cache: Path,
    tests_run: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = with_golden(tmp_path / "tiny.embedge", golden)
    FaceMatcher.load(path).close()
    monkeypatch.setattr(first_load, "_processor", lambda: "another one")
    FaceMatcher.load(path).close()
    tiny_bundle(path, files={GOLDEN: golden, "note.txt": b"new\n"})
    FaceMatcher.load(path).close()
    assert tests_run == ["fp32"] * 3


def test_it_can_be_switched_off_and_made_to_run_always(
    tmp_path: Path,
    golden: bytes,
    cache: Path,
    tests_run: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = with_golden(tmp_path / "tiny.embedge", golden)
    FaceMatcher.load(path, selftest="off").close()
    monkeypatch.setenv(first_load.SWITCH, "off")
    FaceMatcher.load(path).close()
    assert tests_run == []
    FaceMatcher.load(path, selftest="always").close()
    FaceMatcher.load(path, selftest="always").close()
    assert tests_run == ["fp32", "fp32"]
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        FaceMatcher.load(path, selftest="perhaps")


def test_a_cache_that_cannot_be_written_only_costs_time(
    tmp_path: Path, golden: bytes, tests_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    monkeypatch.delenv(first_load.SWITCH, raising=False)
    path = with_golden(tmp_path / "tiny.embedge", golden)
    for _ in range(2):
        FaceMatcher.load(path).close()
    assert tests_run == ["fp32", "fp32"]


def test_another_network_under_the_same_name_is_refused(
    tmp_path: Path, golden: bytes, cache: Path
) -> None:
    stale = tiny_onnx(tiny_contract(64), seed=9)
    path = with_golden(tmp_path / "tiny.embedge", golden, stale)
    with pytest.raises(EmbedgeError, match=r"E-SELFTEST.*stale-weights") as refused:
        FaceMatcher.load(path)
    assert "Convert the model of this bundle again" in str(refused.value)
    assert not cache.exists()


def test_a_refused_encoder_is_closed(
    tmp_path: Path, golden: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(bundled.OrtEncoder, "close", lambda self: closed.append(True))
    stale = tiny_onnx(tiny_contract(64), seed=9)
    with (
        Bundle.open(with_golden(tmp_path / "tiny.embedge", golden, stale)) as bundle,
        pytest.raises(EmbedgeError, match="E-SELFTEST"),
    ):
        encoder_from_bundle(bundle)
    assert closed == [True]


def test_a_bundle_without_golden_vectors_loads_as_before(
    tmp_path: Path, cache: Path, tests_run: list[str]
) -> None:
    FaceMatcher.load(tiny_bundle(tmp_path / "tiny.embedge")).close()
    assert tests_run == []


def test_every_runtime_of_an_artifact_is_asked(
    tmp_path: Path, golden: bytes, cache: Path, tests_run: list[str]
) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    stale = tiny_onnx(tiny_contract(64), seed=9)
    with Bundle.open(with_golden(tmp_path / "tiny.embedge", golden)) as bundle:
        for _ in range(2):
            encoder_from_bundle(bundle, runtime="onnxruntime").close()
            encoder_from_bundle(bundle, runtime="openvino").close()
    assert tests_run == ["fp32", "fp32"]
    with (
        Bundle.open(with_golden(tmp_path / "stale.embedge", golden, stale)) as bundle,
        pytest.raises(EmbedgeError, match="E-SELFTEST"),
    ):
        encoder_from_bundle(bundle, runtime="openvino")


@pytest.mark.parametrize("call", ["read_text", "mkdir", "write_bytes"])
def test_a_deadline_is_not_taken_for_a_disk_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError("deadline")

    monkeypatch.setattr(Path, call, late)
    if call == "write_bytes":
        monkeypatch.setattr(Path, "touch", late)
    place = tmp_path / ("a/note" if call == "mkdir" else "note")
    ask = first_load._processor if call == "read_text" else partial(first_load._remember, place)
    with pytest.raises(TimeoutError, match="deadline"):
        ask()
