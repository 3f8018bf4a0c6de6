"""A bridge as one file: a line of JSON, plain arrays, and a digest of every byte of both.

    embedge.bridge/1 NEWLINE sha256-of-the-header NEWLINE length-of-the-header NEWLINE header arrays

Nothing in it is executed or unpickled. The header holds the digest of every array, so a signature
(FILE.ed25519, as of a bundle) of the header signs all of it.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError, ours
from embedge.files import write_bytes
from embedge.runtime.bridge.bridge import Bridge, End, Fact, Hidden
from embedge.runtime.bundle.signature import sign_bytes
from embedge.runtime.bundle.trust import Signature, fitting, require_trusted
from embedge.runtime.reading import TooLarge, read_bytes
from embedge.runtime.threshold import Threshold
from embedge.typed import Bound, Mistakes, Pattern, plain, structured

__all__ = ["read_bridge", "sign_bridge", "write_bridge"]

Float32 = NDArray[np.float32]
FORMAT = "embedge.bridge/1"
_FIRST_LINE = f"{FORMAT}\n".encode()
_LARGEST_HEADER = 1 << 20
_LARGEST = 1 << 30
_SIGNATURE = ".ed25519"
_LARGEST_SIGNATURE = 4096
_RARE = 0.1  # so seldom strangers are taken for one another only above the middle of all cosines


@dataclass(frozen=True, slots=True)
class _Array:
    shape: tuple[Annotated[int, Bound(0, 1 << 20)], ...]
    sha256: Annotated[str, Pattern("[0-9a-f]{64}", "a sha256")]


@dataclass(frozen=True, slots=True)
class _Header:
    """`arrays` lie in the file in this order, little-endian float32, one after the other."""

    source: End
    target: End
    activation: str | None
    threshold: Threshold | None
    facts: dict[str, Fact]
    arrays: dict[str, _Array]
    stricter: tuple[Threshold, ...] = ()


def write_bridge(path: Path, bridge: Bridge) -> None:
    """The file whole or not at all; a signature of what was there before goes with it."""
    arrays = {name: np.ascontiguousarray(rows, "<f4") for name, rows in _arrays_of(bridge).items()}
    stated = {name: _Array(rows.shape, _sha256(rows.tobytes())) for name, rows in arrays.items()}
    activation = bridge.hidden.activation if bridge.hidden else None
    facts = dict(bridge.facts)
    ends = bridge.source, bridge.target
    header = _Header(*ends, activation, bridge.threshold, facts, stated, bridge.stricter)
    text = json.dumps(plain(header), sort_keys=True, allow_nan=False).encode()
    lead = b"%s%s\n%d\n" % (_FIRST_LINE, _sha256(text).encode(), len(text))
    _beside(path).unlink(missing_ok=True)
    write_bytes(path, b"".join([lead, text, *(rows.tobytes() for rows in arrays.values())]))


def read_bridge(path: Path, *, trusted: Sequence[Path] = ()) -> Bridge:
    """Every byte is checked before it is used; with `trusted` keys, who vouches for it too."""
    text, body = _parted(_read(path, _LARGEST), path)
    _check_signature(path, text, trusted)
    try:
        header = structured(_Header, json.loads(text), name="bridge")
        return _bridge_of(header, _arrays(header.arrays, body))
    except ours((ValueError, KeyError, RecursionError)) as error:
        raise _damaged(path, f"its header is wrong: {_first(error)}") from error


def sign_bridge(path: Path, key: Path, password: bytes | None = None) -> Signature:
    """Check the bridge, then put its signature beside it."""
    read_bridge(path)
    text, _ = _parted(_read(path, _LARGEST), path)
    return sign_bytes(text, _beside(path), key, password)


def _read(path: Path, most: int) -> bytes:
    try:
        return read_bytes(path, most)
    except TooLarge as error:
        raise _damaged(path, f"it is larger than {most:,} bytes") from error
    except ours(OSError) as error:
        raise EmbedgeError(
            "E-BRIDGE-MISSING",
            f"cannot read the bridge: {error.strerror}",
            where=path,
            remedy="Give a file that `embedge bridge` wrote",
        ) from error


def _parted(data: bytes, path: Path) -> tuple[bytes, bytes]:
    """The header's text, proven by its digest, and all the arrays."""
    lead = data[: len(_FIRST_LINE) + 65 + 21].split(b"\n", 3)
    if len(lead) < 4 or lead[0] + b"\n" != _FIRST_LINE:
        raise _damaged(path, "it is no bridge of this format")
    start = sum(len(line) + 1 for line in lead[:3])
    if not lead[2].isdigit() or int(lead[2]) > _LARGEST_HEADER:
        raise _damaged(path, "the length of its header is wrong")
    text = data[start : start + int(lead[2])]
    if _sha256(text).encode() != lead[1]:
        raise _damaged(path, "its header does not fit its digest")
    return text, data[start + len(text) :]


def _arrays(stated: Mapping[str, _Array], body: bytes) -> dict[str, Float32]:
    found: dict[str, Float32] = {}
    start = 0
    for name, array in stated.items():
        part = body[start : start + 4 * math.prod(array.shape)]
        start += len(part)
        if _sha256(part) != array.sha256:
            raise ValueError(f"the array {name} does not fit its digest")
        found[name] = np.frombuffer(part, "<f4").astype(np.float32).reshape(array.shape)
        if not np.isfinite(found[name]).all():
            raise ValueError(f"the array {name} holds no finite numbers")
    if start != len(body):
        raise ValueError(f"{len(body) - start} bytes follow that nothing vouches for")
    return found


def _arrays_of(bridge: Bridge) -> dict[str, Float32]:
    """By name, in the order of their names: JSON keeps them sorted."""
    found = {"linear": bridge.linear, "offset": bridge.offset}
    if bridge.gauge is not None:
        found["gauge"] = bridge.gauge
    if (hidden := bridge.hidden) is not None:
        found |= {"inward": hidden.inward, "bias": hidden.bias, "outward": hidden.outward}
    return dict(sorted(found.items()))


def _bridge_of(header: _Header, arrays: dict[str, Float32]) -> Bridge:
    hidden = None
    if header.activation is not None:
        inner = (arrays.pop("inward"), arrays.pop("bias"), arrays.pop("outward"))
        hidden = Hidden(header.activation, *inner)
    ends = (header.source, header.target)
    linear, offset = arrays.pop("linear"), arrays.pop("offset")
    gauge = arrays.pop("gauge", None)
    if arrays:
        raise ValueError(f"the array {next(iter(arrays))} has no use")
    for point in (header.threshold, *header.stricter):
        if point is not None and point.fmr_target <= _RARE and not 0 < point.value < 1:
            raise ValueError(
                f"no threshold of {point.value:g} holds a rate of {point.fmr_target:g}"
            )
    made = Bridge(*ends, linear, offset, hidden, gauge, header.threshold, header.facts)
    return made.with_threshold(header.threshold, header.stricter)


def _check_signature(path: Path, text: bytes, trusted: Sequence[Path]) -> None:
    beside, what = _beside(path), f"bridge {path.name}"
    signature = _read(beside, _LARGEST_SIGNATURE) if beside.is_file() else None
    if trusted:
        require_trusted(text, signature, trusted, what)
    else:
        fitting(text, signature, what)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{_SIGNATURE}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _first(error: Exception) -> str:
    return error.lines[0] if isinstance(error, Mistakes) else str(error)


def _damaged(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BRIDGE",
        f"this bridge is damaged or was tampered with: {what}",
        where=path,
        remedy="Copy it again from where it was made; do not use it as it is",
    )
