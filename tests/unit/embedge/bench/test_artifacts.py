"""Measured on real graphs: every row says what ran, and the stages add up."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx

from embedge.bench.artifacts import artifact_latency, thread_counts
from embedge.bench.cold.start import cold_start
from embedge.bench.results import Latency
from embedge.bench.suite import latency_section
from embedge.bench.waterfall import STAGES, verification_waterfall
from embedge.errors import EmbedgeError
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.typed import plain, structured


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "student.fp32.onnx"
    path.write_bytes(tiny_onnx(tiny_contract(64)))
    return path


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.stack([face_like(seed) for seed in range(4)])


def queries() -> list[Any]:
    def picture(seed: int) -> tuple[bytes, np.ndarray]:
        buffer = io.BytesIO()
        Image.fromarray(face_like(seed, 224)).save(buffer, "PNG")
        return buffer.getvalue(), 2 * np.array(ARCFACE_112)

    return [(picture(1), picture(2)), (picture(3), picture(3))]


def test_every_artifact_and_thread_count_has_a_row(model: Path, crops: np.ndarray) -> None:
    rows = artifact_latency({"fp32": model, "again": model}, crops, seconds=0.6, rounds=2)
    assert [(row.artifact, row.threads) for row in rows] == [
        (name, threads) for name in ("fp32", "again") for threads in thread_counts()
    ]
    for row in rows:
        assert row.provider == "CPUExecutionProvider"
        assert 0 < (row.p50 or 0) <= row.max
        assert row.n >= row.rounds


def test_every_round_is_told(model: Path, crops: np.ndarray) -> None:
    told: list[None] = []
    artifact_latency(
        {"fp32": model},
        crops,
        threads=(1,),
        seconds=0.3,
        rounds=3,
        repeats=0,
        on_round=lambda: told.append(None),
    )
    assert len(told) == 3


def test_it_refuses_to_measure_on_nothing(model: Path, crops: np.ndarray) -> None:
    with pytest.raises(EmbedgeError, match="no face"):
        artifact_latency({"fp32": model}, crops[:0])


def test_the_stages_of_a_verification_add_up(model: Path) -> None:
    with OrtEncoder(model, threads=1) as encoder:
        rows = {row.stage: row for row in verification_waterfall(encoder, queries(), seconds=0.5)}
    assert tuple(rows) == STAGES
    parts = sum((rows[stage].mean or 0) for stage in STAGES[:-1])
    assert parts == pytest.approx(rows["end to end"].mean, rel=1e-3)
    assert sum(rows[stage].share for stage in STAGES[:-1]) == pytest.approx(1, rel=1e-6)
    assert (rows["decode"].mean or 0) > (rows["compare"].mean or 0)


@pytest.mark.parametrize("kind", ["onnx", "bundle"])
def test_a_cold_start_is_split_and_measured_in_fresh_processes(
    kind: str, model: Path, crops: np.ndarray, tmp_path: Path
) -> None:
    source = model if kind == "onnx" else tiny_bundle(tmp_path / "tiny.embedge")
    found = cold_start(source, crops[0], repeats=1)
    parts = found.interpreter_s + found.import_s + found.load_s + found.first_s
    assert parts == pytest.approx(found.total_s, abs=1e-3)
    assert min(found.import_s, found.load_s, found.first_s) > 0
    assert found.peak_rss_bytes > 10_000_000
    assert found.provider == "CPUExecutionProvider"


def test_a_cold_start_that_fails_says_why(tmp_path: Path, crops: np.ndarray) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x3a\x00")
    with pytest.raises(EmbedgeError, match="E-BENCH-COLD") as caught:
        cold_start(broken, crops[0], repeats=1)
    assert "E-GRAPH" in str(caught.value)


def test_the_whole_section_fits_the_report(model: Path, crops: np.ndarray) -> None:
    section = latency_section(
        {"fp32": model},
        default=lambda rows: rows[0].artifact,
        crops=crops,
        queries=queries(),
        seconds=1.0,
    )
    read = structured(Latency, plain(section))
    assert read.cold_start is not None
    assert read.cold_start.first_s > 0
    assert read.machine.cores >= 1
    assert read.pressure is not None
    assert (read.pressure.seconds or 0) > 1.0


def test_a_large_parent_does_not_count_as_the_child_s_memory(
    model: Path, crops: np.ndarray
) -> None:
    """A fork inherits its parent's peak in getrusage: 700 MB held here must not show there."""
    held = np.ones(700 << 17)
    found = cold_start(model, crops[0], repeats=1)
    assert held.nbytes > found.peak_rss_bytes
