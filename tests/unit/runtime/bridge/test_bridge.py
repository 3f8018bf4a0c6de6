import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime.bridge import Bridge, End, Hidden

OLD, NEW = End("old", "c" * 64, 5), End("new", "d" * 64, 3)


def rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def wide_bridge(activation: str = "relu") -> Bridge:
    hidden = Hidden(activation, rows(7, 5, 1), rows(1, 7, 2)[0], rows(3, 7, 3))
    return Bridge(OLD, NEW, rows(3, 5, 4), rows(1, 3, 5)[0], hidden, rows(1, 13, 6)[0] / 90)


def naively(bridge: Bridge, row: list[float], act: Callable[[float], float]) -> list[float]:
    """One row at a time, in plain numbers."""
    length = math.sqrt(sum(x * x for x in row))
    unit = [x / length for x in row]
    inner = []
    for weights, bias in zip(bridge.hidden.inward.tolist(), bridge.hidden.bias.tolist()):
        inner.append(act(bias + sum(w * x for w, x in zip(weights, unit))))
    found = []
    for n in range(bridge.target.dim):
        total = float(bridge.offset[n]) + sum(float(w) * x for w, x in zip(bridge.linear[n], unit))
        found.append(total + sum(float(w) * h for w, h in zip(bridge.hidden.outward[n], inner)))
    return found


@pytest.mark.parametrize(
    ("activation", "act"),
    [("relu", lambda x: max(x, 0)), ("tanh", math.tanh), ("cos", math.cos), ("exp", math.exp)],
)
def test_a_row_is_mapped_as_by_hand(activation: str, act: Callable[[float], float]) -> None:
    bridge, given = wide_bridge(activation), rows(4, 5, 9)
    wanted = np.asarray([naively(bridge, row, act) for row in given.tolist()])
    assert np.allclose(bridge.unscaled(given), wanted, atol=1e-5)
    lengths = np.linalg.norm(wanted, axis=1)
    found = bridge.bridged(given)
    assert np.allclose(found.rows, wanted / lengths[:, None], atol=1e-5)


def test_the_length_of_a_template_says_nothing_and_blocks_do_not_show() -> None:
    bridge, given = wide_bridge(), rows(9001, 5)
    found = bridge.apply(given)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(bridge.apply(given * 17), found, atol=1e-5)
    assert np.allclose(found[5000:5003], bridge.apply(given[5000:5003]), atol=1e-5)
    assert bridge.apply(given[:0]).shape == (0, 3)


def test_the_gauge_reads_the_template_and_the_hidden_units() -> None:
    bridge, given = wide_bridge(), rows(6, 5, 8)
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    units = np.maximum(unit @ bridge.hidden.inward.T + bridge.hidden.bias, 0)
    wanted = bridge.gauge[0] + unit @ bridge.gauge[1:6] + units @ bridge.gauge[6:]
    assert np.allclose(bridge.bridged(given).expected, wanted, atol=1e-5)
    plain = Bridge.from_matrix(OLD, NEW, rows(3, 5, 4))
    assert np.isnan(plain.bridged(given).expected).all()


@pytest.mark.parametrize("given", [rows(2, 4), np.zeros((2, 5), np.float32), rows(2, 5) * np.nan])
def test_rows_that_are_no_templates_are_refused(given: np.ndarray) -> None:
    with pytest.raises(EmbedgeError, match="E-BRIDGE-ROWS"):
        wide_bridge().apply(given)


def test_an_end_knows_its_space_whoever_speaks_it() -> None:
    end = End.of(tiny_contract(5))
    end.require(tiny_contract(5, model="another"))
    for other in (tiny_contract(5, space="another"), tiny_contract(6)):
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            end.require(other)


def test_arrays_that_do_not_fit_are_no_bridge() -> None:
    with pytest.raises(ValueError, match="linear has shape"):
        Bridge.from_matrix(OLD, NEW, rows(5, 3))
    with pytest.raises(ValueError, match="no activation"):
        wide_bridge("sign")


def test_the_digest_is_of_the_map_and_of_nothing_else() -> None:
    bridge = wide_bridge()
    assert bridge.digest == wide_bridge().digest
    assert bridge.with_threshold(None).digest == bridge.digest
    seen = {bridge.digest, wide_bridge("tanh").digest}
    for name in ("linear", "offset", "gauge"):
        changed = getattr(bridge, name).copy()
        changed.flat[0] += 1
        seen.add(replace(bridge, **{name: changed}).digest)
    seen.add(replace(bridge, target=End("other", "d" * 64, 3)).digest)
    assert len(seen) == 6


def test_rows_beyond_single_precision_are_refused_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    bridge = Bridge.from_matrix(End("a", "", 3), End("b", "", 3), np.eye(3, dtype=np.float32))
    with pytest.raises(EmbedgeError, match="E-BRIDGE-ROWS"):
        bridge.apply(np.full((1, 3), 1e30, np.float32))
    assert not recwarn.list
