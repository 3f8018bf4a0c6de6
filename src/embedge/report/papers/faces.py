"""The faces that a document rests on, and what makes them worthless for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.embed import Embedded, embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.integrity import (
    DataFault,
    copied_pictures,
    likely_same_people,
    mislabelled,
)
from embedge.calibration.evaluation.subjects import EvaluatedModel
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.copies import one_person, saved_again
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.protocols.trained_on import trained_on_from
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.progress import Progress

__all__ = ["TestedFaces", "data_faults", "embed_all", "require_unleaked", "tested_faces"]


@dataclass(frozen=True, slots=True, eq=False)
class TestedFaces:
    """`fingerprint` is of names, people and every picture's bytes, wherever they lie."""

    faces: FaceFiles
    labels: NDArray[np.int64]
    fingerprint: str

    @property
    def name(self) -> str:
        return self.faces.root.absolute().name

    @property
    def people(self) -> set[str]:
        return {PurePosixPath(name).parent.as_posix() for name in self.faces.names}


def tested_faces(root: Path, per_person: int | None, progress: Progress) -> TestedFaces:
    """Refused when a picture is there twice, under two people or one."""
    faces, labels = people_in_folders(root, per_person=per_person, at_least=2)
    digests = []
    with progress.task("fingerprint of the pictures", len(faces)) as task:
        for index in range(len(faces)):
            digests.append(faces.digest(index))
            task.advance()
    _refuse(copied_pictures(faces.names, digests, labels), root)
    names = list(faces.names)
    return TestedFaces(faces, labels, sha256_json([names, labels.tolist(), digests]))


def require_unleaked(tested: TestedFaces, trained_on: Path | None) -> bool:
    """Whether there was a list of people trained on; refused when they are in the test."""
    if trained_on is None:
        return False
    found = trained_on_from(trained_on, tested.people)
    _refuse(found.faults, trained_on)
    return found.comparable


def embed_all(
    tested: TestedFaces,
    models: Sequence[EvaluatedModel],
    cache: Path | None,
    progress: Progress,
) -> list[Embedded]:
    found = []
    for model in models:
        # the artifacts of a bundle share a contract, by which a cache names its chunks
        own = None if cache is None else cache / model.digest
        with (
            model.encoder as encoder,
            progress.task(f"embed with {model.side}", len(tested.faces)) as task,
        ):
            found.append(embedded(tested.faces, encoder, cache=own, ticker=task))
    return found


def data_faults(
    tested: TestedFaces, rows: Float32, good: NDArray[np.bool_]
) -> tuple[DataFault, ...]:
    """What a model sees wrong with the labels; refused where they cannot be trusted at all."""
    names = [name for name, kept in zip(tested.faces.names, good) if kept]
    labels, kept_rows = tested.labels[good], np.flatnonzero(good)
    scores = pairs_within(rows[good], labels)
    copies = saved_again(names, scores, lambda row: tested.faces.read(int(kept_rows[row])))
    _refuse(copies, tested.faces.root)
    found = [
        *mislabelled(names, rows[good], labels, scores),
        *likely_same_people(names, rows[good], labels, scores),
        *one_person(scores),
    ]
    _refuse([one for one in found if one.severity == "error"], tested.faces.root)
    return tuple(found)


def _refuse(faults: Sequence[DataFault], where: Path) -> None:
    if not faults:
        return
    told = "; ".join(
        f"{fault.what} ({', '.join(fault.examples[:3])})" if fault.examples else fault.what
        for fault in faults
    )
    raise EmbedgeError(
        "E-PAPER-DATA",
        f"figures on these faces would prove nothing: {told}",
        where=where,
        remedy="Correct the data, then measure again",
    )
