"""The chain with stand-ins for what is not there yet: the stages have the keys that they will have.

Each stage declares what stands in for it. Opening the data set and the teacher, and testing that
teacher, happen for real, in a folder that is thrown away.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from embedge.pipeline.run import Declared, Run, Stage, facts_of

__all__ = ["Foreseen", "Rehearsal"]

State = Literal["reuse", "resume", "do"]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What will become of a stage."""

    declared: Declared
    stage: Stage
    state: State


@dataclass(slots=True)
class Rehearsal(Run):
    """A run whose unfinished stages leave stand-ins in `scratch`, and nothing in its folder."""

    scratch: Path = field(kw_only=True)
    foreseen: dict[str, Foreseen] = field(default_factory=dict)
    """by the key of the stage"""

    def made(self, asked: Declared) -> Stage:
        if asked.key not in self.foreseen:
            self.foreseen[asked.key] = self._foresee(asked)
        return self.foreseen[asked.key].stage

    def _foresee(self, asked: Declared) -> Foreseen:
        finished = asked.finished()
        if finished is not None:
            return Foreseen(asked, finished, "reuse")
        folder = self.scratch / asked.folder.name
        folder.mkdir(parents=True, exist_ok=True)
        stage = Stage(asked.name, asked.key, folder, facts_of(asked.stand_in(folder)))
        return Foreseen(asked, stage, "resume" if asked.part.is_dir() else "do")
