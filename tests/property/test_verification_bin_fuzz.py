"""Damaged verification sets: whatever the bytes, an answer or one clear error."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.calibration.protocols.binfile import pairs_from_bin
from embedge.errors import EmbedgeError

WHOLE = {
    protocol: pickle.dumps(
        ([b"\xff\xd8abc", np.frombuffer(b"defg", np.uint8)], np.array([True])), protocol
    )
    for protocol in (0, 2, 4, 5)
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_changed_bytes_never_escape_as_another_error(protocol: int, data: st.DataObject) -> None:
    content = bytearray(WHOLE[protocol])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.bin"
        path.write_bytes(content)
        outcome = _outcome(path)
    assert outcome in ("read", "E-BIN", "E-PICKLE")


def _outcome(path: Path) -> str:
    try:
        found = pairs_from_bin(path)
    except EmbedgeError as error:
        return error.code
    return "read" if len(found.pairs) == len(found.same) else "inconsistent"
