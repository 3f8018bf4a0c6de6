"""ONNX -> engine, one path for TensorRT 8.5 to 11 and TensorRT-RTX."""

import importlib.util
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from embedge.errors import EmbedgeError
from embedge.export.engines.options import EngineOptions
from embedge.export.engines.tensorrt.builder_config import builder_config, set_flag_names
from embedge.export.engines.tensorrt.layers import inspected_layers, layer_summary
from embedge.export.engines.tensorrt.network import (
    network_from_onnx,
    network_kind,
    tensor_types,
    wants_float_weights,
    wants_half_remainder,
)
from embedge.export.engines.tensorrt.progress import Progress, attach_progress
from embedge.export.engines.tensorrt.timing_cache import (
    attach_timing_cache,
    keep_timing_cache,
    timing_cache_path,
)
from embedge.files import sha256_file, write_bytes, write_json
from embedge.optional import require
from embedge.runtime.encoders.sessions import graph_facts
from embedge.runtime.encoders.tensorrt.api import MODULES, library_version, tensorrt_module
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDriver, cuda_driver
from embedge.runtime.encoders.tensorrt.log import tensorrt_log

__all__ = ["engine_from_onnx", "engines_available", "layers_path"]


def engines_available(target: str = "tensorrt") -> str | None:
    """None when engines can be built here, else the reason why they are skipped, in one line."""
    if not any(importlib.util.find_spec(name) for name in MODULES[target]):
        return f"{MODULES[target][0]} is not installed"
    return None if target == "rtx" else cuda_driver().problem  # rtx builds on any x86-64 CPU


def engine_from_onnx(
    onnx: Path,
    plan: Path,
    options: EngineOptions,
    *,
    calibration_sha256: str | None = None,
    progress: Progress | None = None,
) -> EngineCard:
    """Build `plan` with its sidecar, and the inspector's layers where a GPU can load it."""
    trt = tensorrt_module(options.target)
    driver = cuda_driver()
    _require_gpu(options, driver)
    log = tensorrt_log(trt)
    data, facts = _built(trt, onnx, options, driver, log, progress)
    layers = None
    if _runs_here(options, driver):
        layers = _layers(trt, log, data, plan, options.batches[1])
    write_bytes(plan, data)
    card = EngineCard(
        plan=plan.name,
        plan_sha256=sha256_file(plan),
        plan_bytes=len(data),
        onnx_sha256=sha256_file(onnx),
        calibration_sha256=calibration_sha256,
        precision=options.precision,
        remainder=options.remainder if options.precision == "int8" else options.precision,
        target=options.target,
        tensorrt=library_version(trt),
        bindings=trt.__version__,
        sms=options.sms or (driver.devices[0].sm,),
        device=_device(options, driver),
        driver=driver.kernel or driver.cuda_text,
        dla=options.dla,
        hardware=options.hardware,
        layers=layers,
        **facts,
    )
    card.write(plan)
    return card


def _built(
    trt: ModuleType,
    onnx: Path,
    options: EngineOptions,
    driver: CudaDriver,
    log: Any,
    progress: Progress | None,
) -> tuple[bytes, dict[str, Any]]:
    """The plan, and what only the builder knows of it."""
    builder = trt.Builder(log)
    timed = options.target != "rtx"  # RTX takes its timings on the user's GPU, at load
    cached = _cache_path(trt, options, driver)
    with tempfile.TemporaryDirectory() as scratch:
        graph, kind = _typed_graph(trt, onnx, options, Path(scratch))
        network, _parser = network_from_onnx(trt, builder, graph, options, kind, log)
        config = builder_config(trt, builder, network, options, kind)
        if timed:
            attach_timing_cache(config, cached)
        monitor = attach_progress(trt, config, progress)
        started = time.perf_counter()
        serialized = builder.build_serialized_network(network, config)
        seconds = time.perf_counter() - started
    if monitor is not None and monitor.stopped:
        raise KeyboardInterrupt
    return _plan_bytes(serialized, log, onnx), {
        "batches": _batches(network, options),
        "flags": set_flag_names(trt, config, kind),
        "graph_tensors": tensor_types(network),
        "build_seconds": round(seconds, 3),
        "timing_sha256": keep_timing_cache(config, cached) if timed else None,
    }


def layers_path(plan: Path) -> Path:
    """Where the engine inspector's full answer is kept."""
    return plan.with_name(plan.name + ".layers.json")


def _typed_graph(
    trt: ModuleType, onnx: Path, options: EngineOptions, scratch: Path
) -> tuple[Path, str]:
    """The graph to parse and how its network is typed; rewritten only where no flag can help."""
    facts = graph_facts(onnx.read_bytes())
    kind, rewritten = network_kind(trt, options, half=facts.half), scratch / onnx.name
    if facts.quantised and wants_float_weights(trt):
        require("onnx", extra="export")
        from embedge.export.engines.tensorrt.float_weights import float_weights_from_qdq

        float_weights_from_qdq(onnx, rewritten)
        return rewritten, kind
    if kind != "STRONGLY_TYPED" or facts.half or not wants_half_remainder(options):
        return onnx, kind
    require("onnx", extra="export")
    from embedge.export.engines.half_remainder import half_remainder_from_qdq

    half_remainder_from_qdq(onnx, rewritten)
    return rewritten, kind


def _plan_bytes(serialized: Any, log: Any, onnx: Path) -> bytes:
    if serialized is not None:
        return bytes(serialized)
    raise EmbedgeError(
        "E-TRT-BUILD",
        "TensorRT could not build the engine:\n  - "
        + "\n  - ".join(log.errors[-10:] or ["it gave no reason"]),
        where=onnx,
        remedy="Raise --workspace, lower --batch, or try --precision fp32 to find the layer",
    )


def _layers(trt: ModuleType, log: Any, data: bytes, plan: Path, batch: int) -> dict[str, Any]:
    """Ask the finished engine what it does; the full answer goes beside the plan."""
    runtime = trt.Runtime(log)
    if hasattr(runtime, "engine_host_code_allowed"):  # a version-compatible plan, made just now
        runtime.engine_host_code_allowed = True
    layers = inspected_layers(trt, runtime.deserialize_cuda_engine(data), batch)
    write_json(layers_path(plan), layers)
    return layer_summary(layers)


def _require_gpu(options: EngineOptions, driver: CudaDriver) -> None:
    if driver.problem is None or options.sms:
        return
    raise EmbedgeError(
        "E-NO-GPU",
        f"an engine is built on the device that will run it, but {driver.problem}",
        remedy="Run embedge build-engine on the device; embedge doctor shows what it finds",
    )


def _cache_path(trt: ModuleType, options: EngineOptions, driver: CudaDriver) -> Path | None:
    if options.timing_cache is None:
        return None
    sm = options.sms[0] if options.sms else driver.devices[0].sm
    built_with = f"{trt.__name__}-{library_version(trt)}"
    return timing_cache_path(options.timing_cache, built_with, _device(options, driver), sm)


def _runs_here(options: EngineOptions, driver: CudaDriver) -> bool:
    """A plan for other GPUs than this machine's must not be opened here: it is their code."""
    if driver.problem is not None:
        return False
    return not options.sms or driver.devices[0].sm in options.sms


def _device(options: EngineOptions, driver: CudaDriver) -> str:
    return driver.devices[0].name if _runs_here(options, driver) else "none (built ahead of time)"


def _batches(network: Any, options: EngineOptions) -> tuple[int, int, int]:
    batch = next(iter(network.get_input(0).shape))
    return options.batches if batch == -1 else (batch, batch, batch)
