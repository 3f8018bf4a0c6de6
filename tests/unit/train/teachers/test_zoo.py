import pytest

from embedge.errors import EmbedgeError
from embedge.train.teachers.zoo import zoo_file


def pack(root, *files):
    folder = root / "models" / "buffalo_x"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(b"")
    return folder


def test_the_recogniser_of_a_pack_is_found(tmp_path):
    folder = pack(tmp_path, "det_10g.onnx", "genderage.onnx", "w600k_r50.onnx", "2d106det.onnx")
    assert zoo_file("buffalo_x", root=tmp_path) == folder / "w600k_r50.onnx"


def test_nothing_is_downloaded_unasked(tmp_path):
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ZOO.*not on this machine"):
        zoo_file("buffalo_x", root=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("files", [[], ["w600k_r50.onnx", "glintr100.onnx"]])
def test_a_pack_that_is_not_clear_is_refused(tmp_path, files):
    pack(tmp_path, *files)
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ZOO.*should hold one recogniser"):
        zoo_file("buffalo_x", root=tmp_path)
