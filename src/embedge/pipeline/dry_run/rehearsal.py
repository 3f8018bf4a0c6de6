"""The chain with stand-ins for what is not there yet: the stages have the keys that they will have.

Opening the data set and the teacher, and testing that teacher, happen for real, in a folder that is
thrown away.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Asked, Run, Stage, Work
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.learning import save_head, teacher_of
from embedge.train.data import open_faces
from embedge.train.data.view import View
from embedge.train.methods import METHODS
from embedge.train.models import iresnet
from embedge.train.seeds import seeded
from embedge.train.teachers import save_teacher

__all__ = ["Foreseen", "Rehearsal"]

State = Literal["reuse", "resume", "do"]
# quick, and later stages look at what they leave
_DONE_FOR_REAL = ("faces", "teacher", "head", "teacher-reduced", "head-reduced")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What will become of a stage."""

    stage: Stage
    state: State
    inputs: dict[str, Any]


@dataclass(slots=True)
class Rehearsal(Run):
    """A run whose unfinished stages leave stand-ins in `scratch`, and nothing in its folder."""

    recipe: Recipe = field(kw_only=True)
    scratch: Path = field(kw_only=True)
    foreseen: dict[str, Foreseen] = field(default_factory=dict)

    def stage(
        self,
        name: str,
        inputs: dict[str, Any],
        after: list[Stage],
        work: Work,
        *,
        together: bool = False,
    ) -> Stage:
        asked = Asked(self.folder, name, inputs, after)
        stage = asked.finished()
        state: State = "reuse"
        if stage is None:
            folder = self.scratch / asked.folder.name
            folder.mkdir(parents=True, exist_ok=True)
            stage = Stage(name, asked.key, folder, self._stand_in(asked, folder, work))
            state = "resume" if asked.part.is_dir() else "do"
        self._foresee(Foreseen(stage, state, inputs))
        return stage

    def _foresee(self, found: Foreseen) -> None:
        """One stage of a name, but for SH-KD, which asks two teachers about the faces."""
        name = found.stage.name
        known = self.foreseen.get(name)
        another = known is not None and known.stage.key != found.stage.key
        self.foreseen[f"{name}-again" if another else name] = found

    def _stand_in(self, asked: Asked, folder: Path, work: Work) -> dict[str, Any]:
        pretended: dict[str, Callable[[Path], dict[str, Any]]] = {"head-shaped": self._any_head}
        if self.recipe.data.source == "rendered":
            pretended["faces"] = self._people_to_be_rendered
        if self.recipe.teacher.source == "train":
            pretended["teacher"] = self._untrained_teacher
        if "trim" in asked.inputs:
            pretended["head"] = self._any_head
        if asked.name in pretended:
            return pretended[asked.name](folder)
        if asked.name in _DONE_FOR_REAL:
            return work(folder) or {}
        if asked.name.startswith("student-"):
            method = METHODS[asked.name.removeprefix("student-")]
            return {"dim": asked.inputs["dim"], "shares_space": method.shares_space}
        return {}

    def _people_to_be_rendered(self, folder: Path) -> dict[str, Any]:
        data = self.recipe.data
        source = f"rendered:{data.identities}x{data.per_identity}@{data.seed}"
        View(source, "whole", 0, 0, None, open_faces(source).fingerprint).save(folder)
        return {"images": data.identities * data.per_identity, "identities": data.identities}

    def _untrained_teacher(self, folder: Path) -> dict[str, Any]:
        wanted, faces = self.recipe.teacher, faces_of(self.foreseen["faces"].stage)
        with seeded(self.recipe.seed):
            network = iresnet(wanted.depth, wanted.dim, channels=wanted.channels)
            head = torch.randn(faces.classes, wanted.dim)
        facts = {
            "depth": wanted.depth,
            "channels": list(wanted.channels),
            "dim": wanted.dim,
            "identities": list(faces.identities),
        }
        save_teacher(folder / "teacher.safetensors", network, head, facts)
        return {"curves": {}}

    def _any_head(self, folder: Path) -> dict[str, Any]:
        """Of the right size: class centres, or the classifier of SH-KD's first student."""
        classes = faces_of(self.foreseen["faces"].stage).classes
        first = self.foreseen.get("student-scratch")
        dim = first.stage.facts["dim"] if first else teacher_of(self.foreseen["teacher"].stage).dim
        with seeded(self.recipe.seed):
            head = torch.nn.functional.normalize(torch.randn(classes, dim))
        save_head(folder, head)
        return {"source": "", "classes": classes, "recovered": ""}
