"""What the recipe `own` leaves to the faces and the teacher: sizes, rates, steps, the start."""

from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.printed import counted
from embedge.train.data import FaceDataset, open_faces
from embedge.train.inherit import folded_teacher
from embedge.train.teachers import open_teacher
from embedge.train.teachers.zoo import PREFIX, zoo_file

__all__ = ["Sizes", "own_overrides", "sizes_of"]

FEWEST = 100  # people: fifty to learn from and fifty to be judged on
_RATES = (1e-4, 1e-3, 1e-2)
_BATCH = 64
_ROUNDS_OF_A_SLICE, _ROUNDS = 12, 30  # a slice came to 98 % of TAR in eight
_SHORTEST, _LONGEST = 500, 20_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """`fmr` is the strictest usual rate that half of the held-out people carry."""

    held_out: int
    fmr: float
    steps: int


def sizes_of(people: int, pictures: int, rounds: int = _ROUNDS) -> Sizes:
    """A quarter of the people is judged on, from 50 to 500; the others are seen `rounds` times."""
    held_out = min(max(people // 4, 50), 500) // 2 * 2
    steps = rounds * pictures * (people - held_out) // people // _BATCH
    return Sizes(held_out, _carried(held_out // 2), min(max(steps, _SHORTEST), _LONGEST))


def own_overrides(source: str, teacher: str | None, given: list[str]) -> list[str]:
    """Keys for `own`, as on the command line; what was given there is left alone."""
    said = {argument.removeprefix("--").partition("=")[0] for argument in given}
    faces = open_faces(source)
    if faces.classes < FEWEST and "data.held_out" not in said:
        raise _too_few(faces)
    start = _start(teacher)
    sizes = sizes_of(faces.classes, len(faces), _ROUNDS_OF_A_SLICE if start else _ROUNDS)
    keys = {
        "data.source": source,
        "data.held_out": sizes.held_out,
        "evaluate.threshold_fmr": sizes.fmr,
        "evaluate.gate_fmr": sizes.fmr,
        "student.train.steps": sizes.steps,
        **start,
    }
    if "student.train.epochs" in said:
        del keys["student.train.steps"]
    return [
        part for key, value in keys.items() if key not in said for part in (f"--{key}", f"{value}")
    ]


def _carried(people: int) -> float:
    """Without an error the rule of three bounds the rate; evidence is of people, not pictures."""
    pairs = people * (people - 1) // 2
    return next((rate for rate in _RATES if pairs * rate >= 3), _RATES[-1])


def _start(teacher: str | None) -> dict[str, object]:
    """A MobileFaceNet hands its filters on, and then a quarter of the rate is enough."""
    if teacher is None:
        return {}
    path = zoo_file(teacher.removeprefix(PREFIX)) if teacher.startswith(PREFIX) else Path(teacher)
    if not path.is_file():
        raise EmbedgeError(
            "E-TEACHER", "there is no such teacher", where=path, remedy="Check --teacher"
        )
    if path.suffix in (".pt", ".pth"):
        return {}
    try:
        folded_teacher(open_teacher(path))
    except EmbedgeError as error:
        if error.code != "E-START":
            raise
        return {}
    return {"student.start": "teacher", "student.train.lr": 2e-3}


def _too_few(faces: FaceDataset) -> EmbedgeError:
    return EmbedgeError(
        "E-DATA-FEW",
        f"{counted(faces.classes, 'person is', 'people are')} too few: {FEWEST} are"
        " needed to learn from some and to prove on others",
        where=faces.name,
        remedy=f"Bring {counted(FEWEST - faces.classes, 'more person', 'more people')}, or say"
        " how many are held out (--data.held_out N) and live without the proof",
    )
