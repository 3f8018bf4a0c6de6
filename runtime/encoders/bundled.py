"""An artifact of a bundle as an encoder, on the engine that was asked for."""

from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.selftest.first_load import proven

__all__ = ["OPENVINO", "TENSORRT", "encoder_from_bundle", "untested_encoder"]

# Asked for as a provider: the bundle's own engine, not onnxruntime's provider for TensorRT.
TENSORRT = "TensorRT"
OPENVINO = "OpenVINO"


def encoder_from_bundle(
    bundle: Bundle,
    artifact: str | None = None,
    *,
    require_provider: str | None = None,
    threads: int | None = None,
    selftest: str | None = None,
) -> Encoder:
    """`require_provider` is TENSORRT, OPENVINO or one of onnxruntime's names; None means its CPU.

    The bundle's golden vectors are asked for when it is first loaded on a machine; `selftest` may
    be "always" or "off" instead of "first".
    """
    encoder = untested_encoder(bundle, artifact, require_provider=require_provider, threads=threads)
    try:
        proven(encoder, bundle, bundle.artifact(artifact).name, mode=selftest)
    except BaseException:
        encoder.close()
        raise
    return encoder


def untested_encoder(
    bundle: Bundle,
    artifact: str | None = None,
    *,
    require_provider: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """The same for whoever asks the golden vectors himself."""
    if require_provider == TENSORRT:
        from embedge.runtime.encoders.tensorrt.of_bundle import tensorrt_encoder_from_bundle

        return tensorrt_encoder_from_bundle(bundle, artifact)
    model = bundle.read(bundle.artifact(artifact).file)
    if require_provider == OPENVINO:
        from embedge.runtime.encoders.openvino import OpenVinoEncoder

        return OpenVinoEncoder(model, bundle.contract, threads=threads)
    return OrtEncoder(model, bundle.contract, require_provider=require_provider, threads=threads)
