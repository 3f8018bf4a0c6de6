"""Fit a bridge: every kind of map, judged on pictures it was not fitted on, the best one kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.people.alike import found_own, middled
from embedge.runtime.bridge import Bridge, End
from embedge.runtime.encoders import unit_rows
from embedge.train.bridge.aim import Aim
from embedge.train.bridge.kernel import Features
from embedge.train.bridge.linear import Affine, Moments, averaged, orthogonal, ridge, summed
from embedge.train.bridge.pairs import Pairs

__all__ = ["Candidate", "Fitted", "fitted_bridge"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Solve = Callable[[Moments], Affine]

# rows that find their own among all others, and that a rotation fitted to both hardly moves, live
# in one space already
_FOUND = 0.9
_SAME_SPACE = 0.9
_CENTRES = 1500
_PICTURES_PER_CENTRE = 8
# looser linear parts foretell faces like those of the fit better, and all others worse
_LINEAR = (1.0, 0.1)
# averaged: which of them is best differs from pair to pair, and no cosine tells
_KERNEL = (1e-3, 1e-4, 1e-5)
_GAUGE = 3.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """Mean cosine to the native template on pictures left out of the fit."""

    kind: str
    setting: str
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """`held_out` are templates of pictures by maps that never saw their `faces`; `native` the real
    ones."""

    bridge: Bridge
    candidates: tuple[Candidate, ...]
    held_out: Float32
    native: Float32
    faces: NDArray[np.int64]

    @property
    def kind(self) -> str:
        return str(self.bridge.facts["kind"])


@dataclass(frozen=True, slots=True, eq=False)
class _Folded:
    """One way to read the rows: its features, and the sums of each fold."""

    features: Features
    pairs: Pairs
    folds: Sequence[NDArray[np.int64]]
    moments: Sequence[Moments]

    @classmethod
    def of(cls, features: Features, pairs: Pairs, on_step: Callable[[], object]) -> "_Folded":
        folds, found = list(pairs.folds()), []
        for index in folds:
            old, new = pairs.rows(index)
            found.append(Moments.of(features(old), new))
            on_step()
        return cls(features, pairs, folds, found)

    @property
    def whole(self) -> Moments:
        return summed(self.moments)

    def left_out(self, solve: Solve) -> Float32:
        """What maps fitted on the other folds say of each picture's first view."""
        whole, first = self.whole, self.pairs.old[0]
        found = np.empty((self.pairs.pictures, len(whole.new)), np.float32)
        for index, part in zip(self.folds, self.moments, strict=True):
            found[index] = solve(whole - part)(self.features(first[index]))
        return found


def fitted_bridge(
    source: End,
    target: End,
    pairs: Pairs,
    *,
    kind: str = "auto",
    on_step: Callable[[str], object] = lambda _: None,
) -> Fitted:
    """The best kind by cross-validation on pictures, or the kind that is asked for."""
    if kind in ("auto", "identity") and _one_space(pairs):
        return _same_space(source, target, pairs)
    plain = _Folded.of(Features(source.dim), pairs, lambda: on_step("sums"))
    ways = _ways(plain, pairs, kind, on_step)
    judged = []
    for name, setting, folded, solve in ways:
        left_out = folded.left_out(solve)
        judged.append((Candidate(name, setting, _cosine(left_out, pairs.new[0])), folded, solve))
        on_step(name)
    candidates = tuple(candidate for candidate, _, _ in judged)
    best, folded, solve = max(judged, key=lambda one: one[0].cosine)
    return _finished(source, target, pairs, best, candidates, folded, solve)


def _ways(
    plain: _Folded, pairs: Pairs, kind: str, on_step: Callable[[str], object]
) -> list[tuple[str, str, _Folded, Solve]]:
    found: list[tuple[str, str, _Folded, Solve]] = [("orthogonal", "", plain, orthogonal)]
    for linear in _LINEAR:
        penalty = _penalty(plain, linear, 0.0)
        found.append(("ridge", f"{linear:g}", plain, _ridge(penalty)))
    centres = min(_CENTRES, pairs.pictures // _PICTURES_PER_CENTRE)
    if kind in ("auto", "kernel"):
        features = Features.with_centres(pairs.old[0], centres, pairs.seed)
        bent = _Folded.of(features, pairs, lambda: on_step("kernel sums"))
        penalties = [_penalty(bent, _LINEAR[-1], strength) for strength in _KERNEL]
        found.append(("kernel", f"{centres} centres", bent, _ridge(*penalties)))
    return [way for way in found if kind in ("auto", way[0])]


def _ridge(*penalties: Float64) -> Solve:
    return lambda moments: averaged([ridge(moments, penalty) for penalty in penalties])


def _penalty(folded: _Folded, linear: float, kernel: float) -> Float64:
    dim = folded.features.dim
    _, _, covariance, _ = folded.whole.centred()
    return folded.features.penalty(linear, kernel, float(np.trace(covariance[:dim, :dim]) / dim))


def _finished(
    source: End,
    target: End,
    pairs: Pairs,
    best: Candidate,
    candidates: tuple[Candidate, ...],
    folded: _Folded,
    solve: Solve,
) -> Fitted:
    native = pairs.new[0]
    aimed_at = _aimed(solve, folded.features, pairs) if best.kind != "orthogonal" else solve
    aimed, affine = unit_rows(folded.left_out(aimed_at)), aimed_at(folded.whole)
    dim = source.dim
    facts: dict[str, str | bool | int | float] = {
        "kind": best.kind,
        "setting": best.setting,
        "pictures": pairs.pictures,
        "views": len(pairs.old),
        "cosine": best.cosine,
    }
    bridge = Bridge(
        source,
        target,
        affine.matrix[:, :dim].astype(np.float32),
        affine.offset.astype(np.float32),
        folded.features.hidden(affine.matrix[:, dim:]),
        _gauge(folded.features, pairs.old[0], np.einsum("nd,nd->n", aimed, native)),
        facts=facts,
    )
    return Fitted(bridge, candidates, aimed, native, pairs.faces)


def _aimed(solve: Solve, features: Features, pairs: Pairs) -> Solve:
    aim = Aim.at(pairs.old[0], pairs.new[0], features)
    return lambda moments: aim.taken(solve(moments))


def _gauge(features: Features, old: Float32, cosines: Float32) -> Float32:
    """A strongly held-back regression of the cosine that a template's map will have."""
    read = features(old)
    moments = Moments.of(read, cosines[:, None].astype(np.float32))
    _, _, covariance, _ = moments.centred()
    penalty = _GAUGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    found = ridge(moments, penalty)
    return np.concatenate([found.offset, found.matrix[0]]).astype(np.float32)


def _one_space(pairs: Pairs) -> bool:
    """Asked of rows as seen from their middle: what all of them share shows no likeness."""
    if pairs.old[0].shape[1] != pairs.new[0].shape[1]:
        return False
    old, new = middled(pairs.old[0]), middled(pairs.new[0])
    if found_own(old, new, pairs.faces) < _FOUND:
        return False
    return _cosine(orthogonal(Moments.of(old, new))(old), old) >= _SAME_SPACE


def _same_space(source: End, target: End, pairs: Pairs) -> Fitted:
    """Both speak one language: no map can be better founded than none."""
    cosine = _cosine(pairs.old[0], pairs.new[0])
    facts: Mapping[str, str | bool | int | float] = {
        "kind": "identity",
        "setting": "",
        "pictures": pairs.pictures,
        "views": len(pairs.old),
        "cosine": cosine,
    }
    matrix = np.eye(source.dim, dtype=np.float32)
    bridge = Bridge(source, target, matrix, np.zeros(source.dim, np.float32), facts=facts)
    candidates = (Candidate("identity", "", cosine),)
    return Fitted(bridge, candidates, pairs.old[0], pairs.new[0], pairs.faces)


def _cosine(mapped: Float32, native: Float32) -> float:
    return float(np.einsum("nd,nd->n", unit_rows(mapped), native).mean())
