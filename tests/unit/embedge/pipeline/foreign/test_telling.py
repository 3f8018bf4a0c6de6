from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from embedge.pipeline.foreign.telling import Told


def told(model: str, times: dict[str, float], without: frozenset[str] = frozenset()) -> Told:
    artifacts = {
        name: SimpleNamespace(threshold=None if name in without else object()) for name in times
    }
    rows = [SimpleNamespace(artifact=n, threads=1, mean=ms) for n, ms in times.items()]
    latency: Any = SimpleNamespace(artifacts=rows)
    findings: Any = SimpleNamespace(artifacts=artifacts)
    none: Any = None
    return Told("", Path(model), none, none, {}, {}, findings, latency)


def verdict(*failed: str) -> Any:
    return SimpleNamespace(failed=[SimpleNamespace(name=name) for name in failed])


TIMES = {"fp32": 3.0, "fp16": 2.9, "int8-cpu": 1.0, "int8-trt": 0.5}


@pytest.mark.parametrize(
    ("failed", "without", "chosen"),
    [
        ((), frozenset(), "int8-cpu"),  # int8-trt is not for this processor
        (("int8-cpu accuracy",), frozenset(), "fp16"),
        ((), frozenset({"int8-cpu"}), "fp16"),
        (("int8-cpu accuracy", "fp16 parity", "fp32 parity"), frozenset(), "fp32"),
    ],
)
def test_the_default_is_the_fastest_that_holds(
    failed: tuple[str, ...], without: frozenset[str], chosen: str
) -> None:
    assert told("a.onnx", TIMES, without).default_artifact(verdict(*failed)) == chosen


@pytest.mark.parametrize(
    ("file", "name"), [("w600k_mbf.onnx", "w600k_mbf"), ("ü x.onnx", "x"), ("....onnx", "model")]
)
def test_a_bundle_is_named_after_its_file(file: str, name: str) -> None:
    assert told(file, {}).name.strip("-") == name
