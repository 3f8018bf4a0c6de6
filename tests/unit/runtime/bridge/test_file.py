from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime.bridge import Bridge, End, Hidden, read_bridge, sign_bridge, write_bridge
from embedge.runtime.bundle.signing_keys import new_signing_key


def some_bridge() -> Bridge:
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    return Bridge(
        End("old", "c" * 64, 5),
        End("new", "d" * 64, 3),
        array(3, 5),
        array(3),
        Hidden("exp", array(4, 5), array(4), array(3, 4)),
        array(10),
        tiny_threshold(0.25),
        {"kind": "mlp", "pictures": 24_000, "error": 0.5, "mirrored": True},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, bridge = tmp_path / "a.bridge", some_bridge()
    write_bridge(path, bridge)
    found = read_bridge(path)
    given = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    assert np.array_equal(found.apply(given), bridge.apply(given))
    assert np.array_equal(found.bridged(given).expected, bridge.bridged(given).expected)
    assert (found.source, found.target) == (bridge.source, bridge.target)
    assert (found.threshold, found.facts) == (bridge.threshold, bridge.facts)


def test_a_plain_matrix_is_a_file_of_the_same_kind(tmp_path: Path) -> None:
    matrix = np.eye(3, 5, dtype=np.float32)
    write_bridge(tmp_path / "m", Bridge.from_matrix(End("a", "", 5), End("b", "", 3), matrix))
    found = read_bridge(tmp_path / "m")
    assert found.hidden is None
    assert found.threshold is None
    assert np.array_equal(found.linear, matrix)


def test_no_byte_can_change_and_none_be_lost_or_added(tmp_path: Path) -> None:
    path = tmp_path / "a.bridge"
    write_bridge(path, some_bridge())
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(EmbedgeError, match="E-BRIDGE: "):
            read_bridge(path)
    for other in (b"", data[:-1], data + b"\0", data[:40], b"PK\3\4" * 50):
        path.write_bytes(other)
        with pytest.raises(EmbedgeError, match="E-BRIDGE: "):
            read_bridge(path)


def test_numbers_that_are_none_and_a_missing_file(tmp_path: Path) -> None:
    bridge = some_bridge()
    write_bridge(tmp_path / "nan", replace(bridge, offset=bridge.offset * np.float32(np.nan)))
    with pytest.raises(EmbedgeError, match="no finite numbers"):
        read_bridge(tmp_path / "nan")
    for absent in (tmp_path / "none", tmp_path):
        with pytest.raises(EmbedgeError, match="E-BRIDGE-MISSING"):
            read_bridge(absent)


def test_signed_by_whom(tmp_path: Path) -> None:
    path, key, stranger = (tmp_path / name for name in ("a.bridge", "key", "stranger"))
    write_bridge(path, some_bridge())
    trusted = [new_signing_key(key)]
    with pytest.raises(EmbedgeError, match="not signed"):
        read_bridge(path, trusted=trusted)
    sign_bridge(path, key)
    read_bridge(path, trusted=trusted)
    with pytest.raises(EmbedgeError, match="not trusted"):
        read_bridge(path, trusted=[new_signing_key(stranger)])
    other = tmp_path / "other"
    write_bridge(other, replace(some_bridge(), facts={"kind": "ridge"}))
    other.with_name("other.ed25519").write_bytes(path.with_name("a.bridge.ed25519").read_bytes())
    with pytest.raises(EmbedgeError, match="does not fit"):
        read_bridge(other)
    write_bridge(other, some_bridge())  # a new file has no signature yet
    assert not other.with_name("other.ed25519").exists()


def test_nothing_is_read_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bridge"
    write_bridge(path, some_bridge())
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(EmbedgeError, match="E-BRIDGE-MISSING"):
            read_bridge(Path(device))
    path.with_name("a.bridge.ed25519").write_bytes(bytes(5000))
    with pytest.raises(EmbedgeError, match="larger than 4,096 bytes"):
        read_bridge(path)
    monkeypatch.setattr("embedge.runtime.bridge.file._LARGEST", 100)
    with pytest.raises(EmbedgeError, match="larger than 100 bytes"):
        read_bridge(path)


@pytest.mark.parametrize("value", [-0.99, 0.0, 1.0])
def test_a_threshold_that_cannot_hold_its_rate_is_refused(tmp_path: Path, value: float) -> None:
    bridge = some_bridge()
    for points in ((tiny_threshold(value), ()), (bridge.threshold, (tiny_threshold(value),))):
        write_bridge(tmp_path / "a", bridge.with_threshold(*points))
        with pytest.raises(EmbedgeError, match=r"E-BRIDGE: .*no threshold of"):
            read_bridge(tmp_path / "a")
