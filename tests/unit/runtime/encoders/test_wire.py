import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.runtime.encoders.wire import Wire


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


NUMBER = st.integers(1, (1 << 29) - 1)
FIELD = st.one_of(
    st.tuples(NUMBER, st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBER, st.binary(max_size=300)),
    st.tuples(NUMBER, st.sampled_from([None])),
)


def written(number: int, value: int | bytes | None) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if value is None:
        return varint(number << 3 | 5) + bytes(4)
    return varint(number << 3 | 2) + varint(len(value)) + value


@given(st.lists(FIELD, max_size=10))
def test_what_is_written_is_read(fields: list[tuple[int, int | bytes | None]]) -> None:
    message = b"".join(written(*field) for field in fields)
    found = [
        (number, bytes(value) if isinstance(value, memoryview) else value)
        for number, value in Wire().fields(memoryview(message))
    ]
    assert found == fields


@given(NUMBER, st.integers(0, 1 << 30), st.integers(1, 3))
def test_there_is_one_way_to_write_a_number(number: int, value: int, more: int) -> None:
    long = varint(value)
    long = long[:-1] + bytes([long[-1] | 0x80]) + b"\x80" * (more - 1) + b"\x00"
    with pytest.raises(ValueError, match=r"longer|too long"):
        list(Wire().fields(memoryview(varint(number << 3) + long)))


def test_all_messages_of_a_file_share_one_budget() -> None:
    wire = Wire(most=3)
    assert len(list(wire.fields(memoryview(b"\x08\x01\x08\x01")))) == 2
    with pytest.raises(ValueError, match="more parts"):
        list(wire.fields(memoryview(b"\x08\x01\x08\x01")))
