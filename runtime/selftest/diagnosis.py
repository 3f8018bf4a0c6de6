"""From answers to names of faults: which known illness explains them better than health does."""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from embedge.runtime.encoders import lengths_of, unit_rows
from embedge.runtime.selftest.asking import Answers
from embedge.runtime.selftest.golden import Expected, Rows
from embedge.runtime.selftest.result import Fault, Symptom

__all__ = ["lowest_cosine", "symptoms_in"]

_EXPLAINED = 0.577  # of the distance to the right answers may be left: squared, a third
_EXPLAINED_WELL = 0.3
_TIE = 0.02  # of that distance
_WHOLE = (0.5, 2.0)  # how much of a hidden fault's move is found where it is one
_SIGMAS = 5.0  # of what is found in directions that no fault knows
_REST = 0.35  # of the tolerance; more is arithmetic that saturates, and looks like less contrast
_LENGTH = 2e-3  # half precision rounds a length of one so
_SPREAD = 0.35  # of the distance between faces: less of it is a collapse
_ROUNDED, _ROUNDED_INT8 = 1e-3, 2e-2  # for pixels that another processor rounds the other way
_STRANGE = 0.35  # a cosine that answers of another network stay under


def symptoms_in(answers: Answers, expected: Expected) -> tuple[Symptom, ...]:
    """Every fault that the answers show; nothing where they are right."""
    dim = expected.crops.shape[1]
    if (shapeless := _shape(answers, dim)) is not None:
        return (shapeless,)
    if not np.isfinite(answers.alone).all() or _lengths(answers.alone).min() < 1e-6:
        return (Symptom("collapse", "an answer is zero or not a number"),)
    rows = unit_rows(answers.alone.astype(np.float32))
    found = [*_unnormalised(answers.alone)]
    direction = _direction(rows, expected)
    found += [direction] if direction else []
    found += _mixed(answers, rows, expected.nearest)
    if direction is None and answers.pictures is not None:
        found += _misaligned(rows, unit_rows(answers.pictures.astype(np.float32)), expected)
    return tuple(found)


def lowest_cosine(rows: Rows, right: Rows) -> float:
    return float((unit_rows(rows.astype(np.float64)) * unit_rows(right)).sum(1).min())


def _shape(answers: Answers, dim: int) -> Symptom | None:
    if answers.alone.ndim == 2 and answers.alone.shape[1] == dim:
        for order, rows in answers.batches:
            if rows.shape != (len(order), dim):
                return Symptom("mix-up", f"a batch of {len(order)} came back as {rows.shape}")
        return None
    return Symptom("wrong-output", f"an answer has shape {answers.alone.shape[1:]}, not ({dim},)")


def _lengths(rows: Rows) -> Rows:
    return np.asarray(lengths_of(rows.astype(np.float64)), np.float32)


def _unnormalised(rows: Rows) -> Iterator[Symptom]:
    lengths = _lengths(rows)
    if np.abs(lengths - 1).max() > _LENGTH:
        told = f"rows have lengths {lengths.min():.3g} to {lengths.max():.3g}, not 1"
        yield Symptom("unnormalised", told)


def _direction(rows: Rows, expected: Expected) -> Symptom | None:
    right = expected.crops
    cosine = lowest_cosine(rows, right)
    name, left = _best(rows, right, expected.faults)
    # faces that have become one look a little like whatever else makes faces alike
    if left < (_EXPLAINED_WELL if _collapsed(rows, right) else _EXPLAINED):
        fault, _, detail = name.partition(":")
        told = f"{detail}; " if detail else ""
        told += f"explains {1 - left:.0%} of the distance, cosine {cosine:.4f}"
        return Symptom(cast(Fault, fault), told)
    if cosine >= expected.nearest:
        return _hidden(rows, expected)
    nearest = f", nearest to {name}, which explains {1 - left:.0%}" if name else ""
    return _permuted(rows, expected) or _unexplained(rows, right, f"cosine {cosine:.4f}{nearest}")


def _best(rows: Rows, right: Rows, faults: Mapping[str, Rows]) -> tuple[str, float]:
    """The fault whose answers are nearest, and the share of the distance that it leaves."""
    distance = float(np.linalg.norm(rows - right))
    if not faults or distance < 1e-6:
        return "", 1.0
    left = {name: float(np.linalg.norm(rows - ill)) for name, ill in faults.items()}
    least = min(left.values()) + _TIE * distance
    # of those alike another output comes last: it may hold what a fault made of the right one
    alike = [name for name, rest in left.items() if rest <= least]
    name = min(alike, key=lambda one: (one.startswith("wrong-output"), left[one]))
    return name, left[name] / distance


def _hidden(rows: Rows, expected: Expected) -> Symptom | None:
    """A fault that moves answers by less than rounding may.

    Rounding moves them anywhere among some hundred directions, all faces together; a fault moves
    them by a length and in a direction that are known, and so is seen far below the noise.
    """
    moved = (rows - expected.crops).astype(np.float64).ravel()
    most, found = _SIGMAS, None
    for name, move in expected.moves.items():
        known = move.astype(np.float64).ravel()
        share = float(moved @ known / (known @ known))
        rest = float(np.square(moved - share * known).sum())
        sigmas = share * float(np.linalg.norm(known)) / max(np.sqrt(rest / moved.size), 1e-12)
        little = rest / len(rows) / 2 <= _REST * (1 - expected.nearest)
        if little and _WHOLE[0] <= share <= _WHOLE[1] and sigmas > most:
            fault, _, detail = name.partition(":")
            told = f"{detail}; " if detail else ""
            told += f"{share:.0%} of its move, {sigmas:.0f} times the noise in other directions"
            most, found = sigmas, Symptom(cast(Fault, fault), told)
    return found


def _permuted(rows: Rows, expected: Expected) -> Symptom | None:
    near = rows @ expected.crops.T
    owner = near.argmax(axis=1)
    if (near.max(axis=1) >= expected.nearest).all() and (owner != np.arange(len(rows))).any():
        return Symptom("mix-up", f"faces are answered with those of faces {owner.tolist()}")
    return None


def _unexplained(rows: Rows, right: Rows, seen: str) -> Symptom:
    if _collapsed(rows, right):
        share = _spread(rows) / max(_spread(right), 1e-9)
        told = f"different faces are {share:.0%} as far apart as they should be"
        return Symptom("collapse", f"{told}, {seen}")
    mean = float((rows * right).sum(axis=1).mean())
    if abs(mean) < _STRANGE:
        return Symptom("stale-weights", f"answers of another network: mean cosine {mean:.4f}")
    return Symptom("inexact", f"no known fault explains it: {seen}")


def _collapsed(rows: Rows, right: Rows) -> bool:
    return _spread(rows) < _SPREAD * _spread(right)


def _spread(rows: Rows) -> float:
    """The mean of 1 - cosine over pairs of faces."""
    count = len(rows)
    return 1 - float(((rows @ rows.T).sum() - count) / max(count * (count - 1), 1))


def _mixed(answers: Answers, rows: Rows, nearest: float) -> Iterator[Symptom]:
    """Answers that depend on who asks at the same time; the face alone is what they must equal."""
    for order, found in answers.batches:
        batch = unit_rows(found.astype(np.float32))
        if strays := _strays(batch, rows[list(order)], nearest):
            yield Symptom("mix-up", f"in a batch of {len(batch)}, {len(strays)} rows differ")
            break
    rounds = [unit_rows(one.astype(np.float32)) for one in answers.threaded]
    faces = [np.arange(len(one)) % len(rows) for one in rounds]
    if wrong := sum(len(_strays(one, rows[own], nearest)) for one, own in zip(rounds, faces)):
        asked = sum(map(len, rounds))
        yield Symptom("mix-up", f"between threads {wrong} of {asked} answers differ")


def _strays(rows: Rows, right: Rows, nearest: float) -> list[int]:
    cosines = (rows * right).sum(axis=1)
    return [row for row, cosine in enumerate(cosines) if not cosine >= nearest]


def _misaligned(rows: Rows, pictures: Rows, expected: Expected) -> Iterator[Symptom]:
    """What the same network answers to crops right now says how exact it is to pictures."""
    noise = 4 * (1 - lowest_cosine(rows, expected.crops))
    rounded = min(max(1 - expected.nearest, _ROUNDED), _ROUNDED_INT8)
    least = 1 - max(rounded, noise)
    cosine = lowest_cosine(pictures, expected.pictures)
    if cosine < least:
        told = "aligned crops are answered right, pictures aligned by their landmarks are not"
        yield Symptom("template", f"{told}: cosine {cosine:.4f}")
