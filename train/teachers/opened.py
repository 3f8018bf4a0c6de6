"""From a file, a folder or a name to a teacher."""

from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.train.teachers.mapped import MAP_FILE, MappedTeacher
from embedge.train.teachers.onnx_teacher import OnnxTeacher
from embedge.train.teachers.teacher import Teacher
from embedge.train.teachers.torch_teacher import TorchTeacher

__all__ = ["SHIPPED", "open_teacher"]

SHIPPED = Path(__file__).parent / "rendered.safetensors"


def open_teacher(path: Path, preprocessing: str | None = None) -> Teacher:
    """A file, or a folder with teacher.safetensors or teacher.onnx and perhaps a map."""
    if not path.is_dir():
        return _opened(path, preprocessing)
    found = [path / f"teacher{suffix}" for suffix in (".safetensors", ".onnx")]
    teacher = _opened(next((p for p in found if p.is_file()), found[0]), preprocessing)
    extra = path / MAP_FILE
    if (old := path / "map.safetensors").is_file():
        raise EmbedgeError(
            "E-TEACHER",
            "the map beside the teacher has the format of an older version",
            where=old,
            remedy="Start a new run folder, or delete this stage's folder",
        )
    return MappedTeacher.load(teacher, extra) if extra.is_file() else teacher


def _opened(path: Path, preprocessing: str | None) -> Teacher:
    if not path.is_file():
        raise EmbedgeError(
            "E-TEACHER", "there is no teacher file", where=path, remedy="Check `teacher.file`"
        )
    if path.suffix == ".onnx":
        return OnnxTeacher(path, preprocessing)
    return TorchTeacher.load(path)
