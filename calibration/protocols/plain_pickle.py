"""Pickles of plain data, opened without trusting them.

A pickle is a program. This reader lets it build lists, tuples, dicts, bytes, strings and numbers as
ever, and replaces the few other things that published data files need (byte strings of protocol 2,
numpy arrays and scalars) by shells of its own that only remember bytes. Everything else that a
pickle asks for is refused by name before it is touched.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embedge.errors import EmbedgeError

__all__ = ["PlainArray", "plain_objects"]

# numpy's name of a type -> bytes per element
_KINDS = {"b1": 1, "u1": 1, "i1": 1, "i4": 4, "i8": 8}


def plain_objects(data: bytes) -> Any:
    """The content of a pickle; text from Python 2 stays bytes."""
    return _Reader(io.BytesIO(data), encoding="bytes").load()


class _Fixed:
    """Something that a pickle may not fill with a state of its choice."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"a state for {type(self).__name__} is not allowed")


class _Kind(_Fixed):
    """Stands for a numpy dtype."""

    __slots__ = ("name",)

    def __init__(self, name: Any, *_: Any):
        text = name.decode("ascii") if isinstance(name, bytes) else str(name)
        self.name = text.lstrip("|<=")
        if self.name not in _KINDS:
            raise pickle.UnpicklingError(f"arrays of {text!r} are not allowed")

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", "<", "=", b"|", b"<", b"="):
            raise pickle.UnpicklingError(f"byte order {state[1]!r} is not allowed")


class PlainArray(_Fixed):
    """Stands for a one-dimensional numpy array: its kind and its bytes."""

    __slots__ = ("kind", "raw")
    kind: str
    raw: bytes

    @classmethod
    def of(cls, kind: _Kind, shape: Any, raw: Any) -> "PlainArray":
        made = cls()
        made.__setstate__((1, shape, kind, False, raw))
        return made

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, _, raw = state
        if not isinstance(kind, _Kind) or not isinstance(raw, bytes) or len(shape) != 1:
            raise pickle.UnpicklingError("only one-dimensional arrays are allowed")
        if len(raw) != shape[0] * _KINDS[kind.name]:
            raise pickle.UnpicklingError("an array is not as long as it says")
        self.kind, self.raw = kind.name, raw

    def numbers(self) -> list[int]:
        step = _KINDS[self.kind]
        return [_number(self.raw[i : i + step]) for i in range(0, len(self.raw), step)]


class _Marker(_Fixed):
    """Stands for a class that is named but never made."""


@dataclass(frozen=True, slots=True)
class _Maker:
    """A function that a pickle may call, and nothing more."""

    make: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a state for a function is not allowed")


def _latin_bytes(text: str, encoding: Any) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"codec {encoding!r} is not allowed")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How protocol 2 writes an empty byte string."""
    return b""


def _array(*_: Any) -> PlainArray:
    return PlainArray()


def _array_from_buffer(raw: Any, kind: _Kind, shape: Any, _order: Any) -> PlainArray:
    return PlainArray.of(kind, shape, bytes(raw))


def _scalar(kind: _Kind, raw: Any) -> int:
    return PlainArray.of(kind, (1,), raw).numbers()[0]


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=len(raw) > 1)


# numpy 2 renamed numpy.core to numpy._core
_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Maker(_latin_bytes),
    ("builtins", "bytes"): _Maker(_no_bytes),
    ("__builtin__", "bytes"): _Maker(_no_bytes),
    ("numpy", "ndarray"): _Marker(),
    ("numpy", "dtype"): _Maker(_Kind),
}
for _core in ("core", "_core"):
    _ALLOWED[f"numpy.{_core}.multiarray", "_reconstruct"] = _Maker(_array)
    _ALLOWED[f"numpy.{_core}.multiarray", "scalar"] = _Maker(_scalar)
    _ALLOWED[f"numpy.{_core}.numeric", "_frombuffer"] = _Maker(_array_from_buffer)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise EmbedgeError(
            "E-PICKLE",
            f"the file wants {module}.{name} when it is opened, which may run anything",
            remedy="Do not use this file: pictures and verdicts have no need for that",
        )

    def persistent_load(self, _: Any) -> Any:
        raise pickle.UnpicklingError("references to outside objects are not allowed")
