"""A map from one embedding space to another, and how far each mapped template can be trusted.

`unit(linear·x + offset + outward·act(inward·x + bias))` is every kind of map at once: a rotation, a
ridge regression, a reduction to fewer dimensions, a low-rank correction, a small network, several
networks averaged, random features and Nyström kernels differ only in what the arrays hold.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import lengths_of, unit_rows
from embedge.runtime.threshold import Threshold

__all__ = ["ACTIVATIONS", "Bridge", "Bridged", "End", "Fact", "Hidden"]

Float32 = NDArray[np.float32]
Fact = str | bool | int | float
_BLOCK = 4096
_SHORTEST = 1e-6


def _relu(rows: Float32) -> Float32:
    return np.maximum(rows, np.float32(0))


ACTIVATIONS: Mapping[str, Callable[[Float32], Float32]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "cos": np.cos,
    "exp": np.exp,
}


@dataclass(frozen=True, slots=True)
class End:
    """The space at one end, and the contract (its digest) the bridge was fitted with there.

    Embeddings of the same space may cross whoever of its models made them.
    """

    space: str
    contract: str
    dim: int

    @classmethod
    def of(cls, contract: EmbeddingContract) -> Self:
        return cls(contract.space, contract.digest, contract.dim)

    def require(self, contract: EmbeddingContract) -> None:
        """Refuse embeddings of another space."""
        if (contract.space, contract.dim) != (self.space, self.dim):
            raise EmbedgeError(
                "E-SPACE",
                f"this bridge knows the space {self.space} ({self.dim}-d), not"
                f" {contract.space} ({contract.dim}-d)",
                remedy="Make a bridge between exactly these models: embedge bridge OLD NEW",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """What is not linear: `outward @ act(inward @ x + bias)`."""

    activation: str
    inward: Float32
    bias: Float32
    outward: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Bridged:
    """Rows of length one in the new space, and the cosine to a native template to be expected."""

    rows: Float32
    expected: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Bridge:
    """`gauge` foretells the cosine to the native template from (1, the old one, hidden units).

    It was fitted on pictures that the map was not. Without it nothing is foretold (NaN).
    Bridged templates are accepted at `threshold`; `stricter` ones are for larger galleries.
    """

    source: End
    target: End
    linear: Float32
    offset: Float32
    hidden: Hidden | None = None
    gauge: Float32 | None = None
    threshold: Threshold | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    stricter: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        for what, found, wanted in self._shapes():
            if found != wanted:
                raise ValueError(f"{what} has shape {found}, not {wanted}")
        if self.hidden is not None and self.hidden.activation not in ACTIVATIONS:
            raise ValueError(f"there is no activation {self.hidden.activation!r}")

    @classmethod
    def from_matrix(cls, source: End, target: End, matrix: Float32) -> Self:
        """A plain linear map."""
        linear = np.ascontiguousarray(matrix, np.float32)
        return cls(source, target, linear, np.zeros(len(linear), np.float32))

    def apply(self, rows: Float32) -> Float32:
        """Templates of the old space as templates of the new one, each of length one."""
        return self.bridged(rows).rows

    def bridged(self, rows: Float32) -> Bridged:
        """The same, each with what it is worth."""
        found = np.empty((len(rows), self.target.dim), np.float32)
        expected = np.full(len(rows), np.nan, np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            unit = self._checked(rows[part])
            units = self._units(unit)
            found[part] = _unit(self._mapped(unit, units))
            if self.gauge is not None:
                start, middle = self.gauge[0], 1 + self.source.dim
                told = start + unit @ self.gauge[1:middle] + units @ self.gauge[middle:]
                expected[part] = np.clip(told, -1, 1)
        return Bridged(found, expected)

    def unscaled(self, rows: Float32) -> Float32:
        """What the map answers before it is brought to length one."""
        unit = self._checked(rows)
        return self._mapped(unit, self._units(unit))

    @property
    def digest(self) -> str:
        """Of the map itself: the spaces it joins, and every number of it."""
        digest = hashlib.sha256(f"{self.source}{self.target}".encode())
        arrays = [self.linear, self.offset, self.gauge]
        if self.hidden is not None:
            digest.update(self.hidden.activation.encode())
            arrays += [self.hidden.inward, self.hidden.bias, self.hidden.outward]
        for array in arrays:
            digest.update(b"" if array is None else np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()

    def with_threshold(
        self, threshold: Threshold | None, stricter: Sequence[Threshold] = ()
    ) -> "Bridge":
        return replace(self, threshold=threshold, stricter=tuple(stricter))

    @property
    def operating_points(self) -> tuple[Threshold, ...]:
        """The bridge's own threshold first; the stricter ones are for searches of many."""
        return self.stricter if self.threshold is None else (self.threshold, *self.stricter)

    def _units(self, unit: Float32) -> Float32:
        if self.hidden is None:
            return np.empty((len(unit), 0), np.float32)
        units = unit @ self.hidden.inward.T
        units += self.hidden.bias
        return ACTIVATIONS[self.hidden.activation](units)

    def _mapped(self, unit: Float32, units: Float32) -> Float32:
        found: Float32 = unit @ self.linear.T + self.offset
        return found if self.hidden is None else found + units @ self.hidden.outward.T

    def _checked(self, rows: Float32) -> Float32:
        if rows.ndim != 2 or rows.shape[1] != self.source.dim:
            raise _unmappable(f"rows of shape {rows.shape}, not (N, {self.source.dim})")
        return _unit(np.asarray(rows, np.float32))

    def _shapes(self) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        wide, narrow = self.target.dim, self.source.dim
        found = [
            ("linear", self.linear.shape, (wide, narrow)),
            ("offset", self.offset.shape, (wide,)),
        ]
        units = 0 if self.hidden is None else len(self.hidden.bias)
        if self.gauge is not None:
            found.append(("gauge", self.gauge.shape, (1 + narrow + units,)))
        if self.hidden is not None:
            found += [
                ("inward", self.hidden.inward.shape, (units, narrow)),
                ("bias", self.hidden.bias.shape, (units,)),
                ("outward", self.hidden.outward.shape, (wide, units)),
            ]
        return found


def _unit(rows: Float32) -> Float32:
    with np.errstate(over="ignore"):  # such a row is refused
        lengths = lengths_of(rows)
    if not np.isfinite(lengths).all() or (lengths < _SHORTEST).any():
        raise _unmappable("a row that is zero or not a number")
    return unit_rows(rows)


def _unmappable(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BRIDGE-ROWS",
        f"the bridge was given {what}",
        remedy="Give embeddings of the old model, one row for each template",
    )
