"""A section of the recipe, which stages and training read as it is: defaults stand nowhere else."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MOST", "Factor", "Natural", "Positive", "Section", "Weight"]

# far beyond what anybody means, and far from where numbers overflow or vanish
MOST = 10**8
Positive = Annotated[int, Field(gt=0, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Factor = Annotated[float, Field(ge=1e-6, le=1e6)]
Weight = Annotated[float, Field(ge=0, le=1e6)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, frozen=True, use_attribute_docstrings=True
    )
