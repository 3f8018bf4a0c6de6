"""The one ONNX graph that search needs, written byte by byte: the onnx package is not on a device.

scores (int32, queries × rows) = (queries (uint8) − middle) · templates (int8, constant)
"""

__all__ = ["matmul_graph"]

_UINT8, _INT8, _INT32 = 2, 3, 6  # element types of the ONNX schema


def matmul_graph(dim: int, rows: int, *, middle: int) -> bytes:
    """`templates` (dim, rows) are named only: whoever starts it hands them over."""
    node = b"".join(_text(1, name) for name in ("queries", "templates", "middle"))
    node += _text(2, "scores") + _text(4, "MatMulInteger")
    graph = _message(1, node) + _text(2, "search")
    elsewhere = _message(13, _text(1, "location") + _text(2, "memory")) + _number(14, 1)
    graph += _message(5, _tensor("templates", _INT8, (dim, rows), elsewhere))
    graph += _message(5, _tensor("middle", _UINT8, (), _message(9, bytes([middle]))))
    graph += _message(11, _value("queries", _UINT8, ("queries", dim)))
    graph += _message(12, _value("scores", _INT32, ("queries", rows)))
    return _number(1, 8) + _message(7, graph) + _message(8, _text(1, "") + _number(2, 13))


def _tensor(name: str, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
    dims = b"".join(_number(1, size) for size in shape)
    return dims + _number(2, kind) + _text(8, name) + data


def _value(name: str, kind: int, shape: tuple[int | str, ...]) -> bytes:
    axes = b"".join(
        _message(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape
    )
    return _text(1, name) + _message(2, _message(1, _number(1, kind) + _message(2, axes)))


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
