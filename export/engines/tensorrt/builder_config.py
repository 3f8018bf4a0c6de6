"""Options -> TensorRT builder configuration, asking for a feature only where it exists."""

from types import ModuleType
from typing import Any

from embedge.errors import EmbedgeError
from embedge.export.engines.options import HARDWARE, EngineOptions
from embedge.export.engines.tensorrt.network import wants_half_remainder

__all__ = ["builder_config", "set_flag_names"]


def builder_config(
    trt: ModuleType, builder: Any, network: Any, options: EngineOptions, kind: str
) -> Any:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimisation_level is not None:
        _require(config, "builder_optimization_level", trt)
        config.builder_optimization_level = options.optimisation_level
    _precision(trt, config, options, kind)
    _compatibility(trt, config, options)
    _dla(trt, builder, config, options)
    _capabilities(trt, config, options)
    _profile(builder, config, network, options)
    return config


def set_flag_names(trt: ModuleType, config: Any, kind: str) -> tuple[str, ...]:
    """Names of everything that was switched on, for the sidecar."""
    flags = [name for name, flag in trt.BuilderFlag.__members__.items() if config.get_flag(flag)]
    return (kind, *sorted(flags))


def _precision(trt: ModuleType, config: Any, options: EngineOptions, kind: str) -> None:
    if not options.tf32:  # FP32 means FP32: parity is measured against it
        config.clear_flag(trt.BuilderFlag.TF32)
    if kind == "STRONGLY_TYPED":
        return
    if options.precision == "fp16" or wants_half_remainder(options):
        config.set_flag(trt.BuilderFlag.FP16)
    if options.precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)


def _compatibility(trt: ModuleType, config: Any, options: EngineOptions) -> None:
    if options.version_compatible:
        _require(trt.BuilderFlag, "VERSION_COMPATIBLE", trt)
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware is not None:
        _require(config, "hardware_compatibility_level", trt)
        _require(trt.HardwareCompatibilityLevel, HARDWARE[options.hardware], trt)
        config.hardware_compatibility_level = getattr(
            trt.HardwareCompatibilityLevel, HARDWARE[options.hardware]
        )


def _dla(trt: ModuleType, builder: Any, config: Any, options: EngineOptions) -> None:
    if options.dla is None:
        return
    if options.dla >= builder.num_DLA_cores:
        raise EmbedgeError(
            "E-TRT-DLA",
            f"DLA core {options.dla} was asked for, this device has {builder.num_DLA_cores}",
            remedy="Leave out --dla, or name a core that exists (Orin NX and AGX have 0 and 1)",
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = options.dla
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _capabilities(trt: ModuleType, config: Any, options: EngineOptions) -> None:
    """Ahead-of-time targets are told which GPUs to build for; the others ask the GPU at hand."""
    if not options.sms:
        return
    _require(config, "set_compute_capability", trt)
    config.num_compute_capabilities = len(options.sms)
    for index, sm in enumerate(options.sms):
        _require(trt.ComputeCapability, f"SM{sm}", trt)
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{sm}"), index)


def _profile(builder: Any, config: Any, network: Any, options: EngineOptions) -> None:
    image = network.get_input(0)
    batch, *rest = tuple(image.shape)
    if batch != -1:
        _require_fixed_batch(batch, options)
        return
    profile = builder.create_optimization_profile()
    profile.set_shape(image.name, *((size, *rest) for size in options.batches))
    config.add_optimization_profile(profile)


def _require_fixed_batch(batch: int, options: EngineOptions) -> None:
    if options.batches != (batch, batch, batch):
        raise EmbedgeError(
            "E-ENGINE-OPTION",
            f"the graph's batch is fixed at {batch}, the profile asks for {options.batches}",
            remedy=f"Give --batch {batch}, or export the graph with a dynamic batch",
        )


def _require(owner: Any, feature: str, trt: ModuleType) -> None:
    if not hasattr(owner, feature):
        raise EmbedgeError(
            "E-TRT-FEATURE",
            f"TensorRT {trt.__version__} does not offer {feature.lower().replace('_', ' ')}",
            remedy="Leave the option out, or build with a newer TensorRT",
        )
