"""An artifact of a bundle as an encoder, on the engine that was asked for."""

from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.ort import OrtEncoder

__all__ = ["TENSORRT", "encoder_from_bundle"]

# Asked for as a provider: the bundle's own engine, not onnxruntime's provider for TensorRT.
TENSORRT = "TensorRT"


def encoder_from_bundle(
    bundle: Bundle,
    artifact: str | None = None,
    *,
    require_provider: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """`require_provider` is TENSORRT or one of onnxruntime's names; None means its CPU."""
    if require_provider == TENSORRT:
        from embedge.runtime.encoders.tensorrt.of_bundle import tensorrt_encoder_from_bundle

        return tensorrt_encoder_from_bundle(bundle, artifact)
    return OrtEncoder(
        bundle.read(bundle.artifact(artifact).file),
        bundle.contract,
        require_provider=require_provider,
        threads=threads,
    )
