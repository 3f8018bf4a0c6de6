"""What lies beside an engine that somebody built on an Orin."""

from embedge.runtime.encoders.tensorrt.card import EngineCard

__all__ = ["ORIN"]

ORIN = EngineCard(
    plan="e.plan",
    plan_sha256="e" * 64,
    plan_bytes=10,
    onnx_sha256="a" * 64,
    precision="int8",
    remainder="fp16",
    target="tensorrt",
    tensorrt="10.3.0",
    bindings="10.7.0",
    sms=(87,),
    device="Orin",
    driver="540.4.0",
    batches=(1, 1, 8),
    flags=(),
    graph_tensors={},
    build_seconds=1.5,
)
