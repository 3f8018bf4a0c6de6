from pathlib import Path

import numpy as np
import pytest
from tiny_graphs import graph_file

from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.placement import node_placement

BOUNDS = {"fp32": 0.9999, "fp16": 0.999}
# a few integers: on the CPU by design, and no picture is moved for it
SHAPE_WORK = {"Shape", "Gather", "Unsqueeze", "Concat", "Cast", "Slice", "Reshape"}


@pytest.fixture(params=["CUDAExecutionProvider", "TensorrtExecutionProvider"])
def provider(request: pytest.FixtureRequest) -> str:
    import onnxruntime

    if request.param not in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has no {request.param}")
    return str(request.param)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_provider_runs_every_node_and_agrees_with_the_cpu(
    tmp_path: Path, faces: np.ndarray, seen: dict[str, object], provider: str, precision: str
) -> None:
    graph = graph_file(tmp_path / "g.onnx", precision)
    placement = node_placement(graph, require_provider=provider)
    assert placement[provider]
    elsewhere = {name for other in placement if other != provider for name in placement[other]}
    assert elsewhere <= SHAPE_WORK
    with OrtEncoder(graph) as cpu, OrtEncoder(graph, require_provider=provider) as gpu:
        cosine = (cpu.embed(faces) * gpu.embed(faces)).sum(1)
        assert gpu.provider == provider
    seen[f"onnxruntime {provider} {precision}"] = {
        "placement": placement,
        "lowest_cosine": float(cosine.min()),
    }
    assert cosine.min() >= BOUNDS[precision]
