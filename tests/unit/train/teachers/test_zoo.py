import sys
import types
from pathlib import Path
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.train.teachers.zoo import fetched_pack, zoo_file


def pack(root: Path, *files: str) -> Path:
    folder = root / "models" / "buffalo_x"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(b"")
    return folder


def test_the_recogniser_of_a_pack_is_found(tmp_path: Path) -> None:
    folder = pack(tmp_path, "det_10g.onnx", "genderage.onnx", "w600k_r50.onnx", "2d106det.onnx")
    assert zoo_file("buffalo_x", root=tmp_path) == folder / "w600k_r50.onnx"


def test_nothing_is_downloaded_unasked(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ZOO.*not on this machine.*--allow-download"):
        zoo_file("buffalo_x", root=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("files", [[], ["w600k_r50.onnx", "glintr100.onnx"]])
def test_a_pack_that_is_not_clear_is_refused(tmp_path: Path, files: list[str]) -> None:
    pack(tmp_path, *files)
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ZOO.*should hold one recogniser"):
        zoo_file("buffalo_x", root=tmp_path)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands where insightface keeps its downloader, and writes down what it was asked for."""
    module: Any = types.ModuleType("insightface.utils.storage")
    module.asked = []

    def ensure_available(sub_dir: str, name: str, root: str) -> None:
        module.asked.append((sub_dir, name, root))
        if name == "lost":
            raise RuntimeError("404 Not Found")

    module.ensure_available = ensure_available
    monkeypatch.setitem(sys.modules, "insightface", types.ModuleType("insightface"))
    monkeypatch.setitem(sys.modules, "insightface.utils", types.ModuleType("insightface.utils"))
    monkeypatch.setitem(sys.modules, "insightface.utils.storage", module)
    return module


def test_a_download_that_was_allowed_goes_through_insightface(tmp_path: Path, storage: Any) -> None:
    assert fetched_pack("buffalo_x", root=tmp_path) == tmp_path / "models" / "buffalo_x"
    assert storage.asked == [("models", "buffalo_x", str(tmp_path))]


def test_a_pack_that_is_there_is_not_fetched_again(tmp_path: Path, storage: Any) -> None:
    folder = pack(tmp_path, "w600k_r50.onnx")
    assert fetched_pack("buffalo_x", root=tmp_path) == folder
    assert storage.asked == []


@pytest.mark.usefixtures("storage")
def test_a_failing_download_says_why(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ZOO.*404 Not Found"):
        fetched_pack("lost", root=tmp_path)
