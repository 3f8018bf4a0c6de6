"""An artifact of a bundle as an encoder, on the engine that was asked for."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.manifest import ONNX_RUNTIME, Runtime
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Encoder, RowEncoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.selftest.first_load import proven

__all__ = [
    "TENSORRT",
    "chosen_artifact",
    "encoder_from_bundle",
    "encoder_of_files",
    "encoder_on",
    "files_of",
    "importable",
    "reads",
    "runtime_of",
    "untested_encoder",
]

# Asked for as a provider: the bundle's own engine, not onnxruntime's provider for TensorRT.
TENSORRT = "TensorRT"


def encoder_from_bundle(
    bundle: Bundle,
    artifact: str | None = None,
    *,
    runtime: Runtime | None = None,
    require_provider: str | None = None,
    threads: int | None = None,
    selftest: str | None = None,
) -> Encoder:
    """On the artifact's own runtime unless another one is given that reads its file.

    `require_provider` is TENSORRT or one of onnxruntime's names; None means its CPU. The bundle's
    golden vectors are asked for when it is first loaded on a machine, on whichever runtime;
    `selftest` may be "always" or "off" instead of "first".
    """
    name = chosen_artifact(bundle, artifact, runtime).name
    encoder = untested_encoder(
        bundle, name, runtime=runtime, require_provider=require_provider, threads=threads
    )
    try:
        proven(encoder, bundle, name, mode=selftest)
    except BaseException:
        encoder.close()
        raise
    return encoder


def untested_encoder(
    bundle: Bundle,
    artifact: str | None = None,
    *,
    runtime: Runtime | None = None,
    require_provider: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """The same for whoever asks the golden vectors himself."""
    if require_provider == TENSORRT:
        from embedge.runtime.encoders.tensorrt.of_bundle import tensorrt_encoder_from_bundle

        return tensorrt_encoder_from_bundle(bundle, artifact)
    chosen = chosen_artifact(bundle, artifact, runtime)
    if require_provider is not None:
        chosen = chosen_artifact(bundle, chosen.name, ONNX_RUNTIME)
        return OrtEncoder(
            bundle.read(chosen.file),
            bundle.contract,
            require_provider=require_provider,
            threads=threads,
        )
    meant = replace(chosen, runtime=runtime or chosen.runtime)
    return encoder_of_files(meant, bundle.read, bundle.contract, threads=threads)


def encoder_of_files(
    artifact: Artifact,
    read: Callable[[str], bytes],
    contract: EmbeddingContract,
    *,
    threads: int | None = None,
) -> RowEncoder:
    """`read` gives the bytes of a file by its name."""
    if artifact.runtime == "ncnn":
        from embedge.runtime.encoders.ncnn import NcnnEncoder

        layers, weights = map(read, files_of(artifact))
        half = artifact.precision == "fp16"
        return NcnnEncoder(layers, weights, contract, half=half, threads=threads)
    data = read(artifact.file)
    if artifact.runtime == "litert":
        from embedge.runtime.encoders.litert import LiteRtEncoder

        return LiteRtEncoder(data, contract, threads=threads)
    if artifact.runtime == "executorch":
        from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder

        return ExecuTorchEncoder(data, contract, threads=threads)
    if artifact.runtime == "openvino":
        from embedge.runtime.encoders.openvino import OpenVinoEncoder

        return OpenVinoEncoder(data, contract, threads=threads)
    return OrtEncoder(data, contract, threads=threads)


def files_of(artifact: Artifact) -> tuple[str, ...]:
    """Of an artifact; ncnn's weights lie beside its layers."""
    if artifact.runtime == "ncnn":
        return artifact.file, f"{artifact.file.removesuffix('.param')}.bin"
    return (artifact.file,)


def runtime_of(artifact: str) -> Runtime:
    """What an artifact of a run is made for, by its name."""
    return "openvino" if artifact.endswith("-openvino") else ONNX_RUNTIME


def encoder_on(runtime: Runtime, model: bytes | Path, *, threads: int | None = None) -> Encoder:
    """An ONNX file with its contract in it, outside any bundle."""
    if runtime == "openvino":
        from embedge.runtime.encoders.openvino import OpenVinoEncoder

        return OpenVinoEncoder(model, threads=threads)
    return OrtEncoder(model, threads=threads)


def chosen_artifact(
    bundle: Bundle, artifact: str | None = None, runtime: Runtime | None = None
) -> Artifact:
    """The one named; else of those made for this runtime the default one, or the first."""
    if artifact is None and runtime is not None:
        default = bundle.artifact()
        own = [one for one in bundle.artifacts.values() if one.runtime == runtime]
        chosen = default if default in own or not own else own[0]
    else:
        chosen = bundle.artifact(artifact)
    if runtime is None or reads(runtime, chosen):
        return chosen
    raise EmbedgeError(
        "E-RUNTIME",
        f"{chosen.name} is a file for {chosen.runtime}, which {runtime} does not read",
        remedy="Leave --runtime out, or name an artifact made for it: --artifact",
    )


def reads(runtime: Runtime, artifact: Artifact) -> bool:
    """Whether this runtime can be given that artifact's file."""
    return runtime == artifact.runtime or {runtime, artifact.runtime} <= _READ_ONNX


_READ_ONNX = {ONNX_RUNTIME, "openvino"}
_MODULES: dict[Runtime, str] = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "litert": "ai_edge_litert",
    "executorch": "executorch",
}


def importable(runtime: Runtime) -> bool:
    """Whether the package of this runtime is installed here."""
    return find_spec(_MODULES[runtime]) is not None
