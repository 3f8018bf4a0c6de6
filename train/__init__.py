"""Teacher to student: data, models, heads, losses, the loop.

The names below are imported when they are first used.
"""

from typing import TYPE_CHECKING

from embedge import named_in

__all__ = [
    "METHODS",
    "FaceSet",
    "Lesson",
    "MobileFaceNet",
    "Teacher",
    "mobilefacenet",
    "open_faces",
    "open_teacher",
    "split_by_identity",
    "train_student",
]

if TYPE_CHECKING:
    from embedge.train.data.dataset import FaceSet
    from embedge.train.data.open import open_faces
    from embedge.train.data.splits import split_by_identity
    from embedge.train.distil import Lesson, train_student
    from embedge.train.methods import METHODS
    from embedge.train.models.mobilefacenet import MobileFaceNet, mobilefacenet
    from embedge.train.teachers.opened import open_teacher
    from embedge.train.teachers.teacher import Teacher
else:  # a type checker that saw this would take every name for one, of any type
    _HOMES = {
        "data.dataset": "FaceSet",
        "data.open": "open_faces",
        "data.splits": "split_by_identity",
        "models.mobilefacenet": "MobileFaceNet mobilefacenet",
        "methods": "METHODS",
        "teachers.teacher": "Teacher",
        "teachers.opened": "open_teacher",
        "distil": "Lesson train_student",
    }
    __getattr__ = named_in(__name__, _HOMES)
