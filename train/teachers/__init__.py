"""Teachers: what a student learns from, wherever it came from."""

from embedge.train.teachers.mapped import MappedTeacher, save_map
from embedge.train.teachers.onnx_teacher import OnnxTeacher
from embedge.train.teachers.opened import SHIPPED, open_teacher
from embedge.train.teachers.teacher import Teacher
from embedge.train.teachers.torch_teacher import TorchTeacher, save_teacher

__all__ = [
    "SHIPPED",
    "MappedTeacher",
    "OnnxTeacher",
    "Teacher",
    "TorchTeacher",
    "open_teacher",
    "save_map",
    "save_teacher",
]
