"""A FAKE TensorRT: the Python interface of a real one, computing with ONNX Runtime.

It exists to execute the code around TensorRT: buffers, streams, profiles, pools, failures. It says
nothing of NVIDIA's numbers, speed or kernels. Every name here must exist in the real bindings of
the generation that FAKE_TENSORRT asks for (8, 10 or 11); a test compares them.
"""

import collections.abc
import ctypes
import json
import os
import typing

import numpy as np
import onnx
import onnxruntime
from fake_enums import (  # noqa: F401 - these are tensorrt's names
    GENERATION,
    BuilderFlag,
    DataType,
    DeviceType,
    LayerInformationFormat,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    ProfilingVerbosity,
    TensorIOMode,
    dtype,
)
from fake_parser import _complaint, _ParserError

if GENERATION > 8:
    from fake_enums import HardwareCompatibilityLevel

__version__ = os.environ.get(
    "FAKE_TENSORRT_VERSION", {8: "8.5.2", 10: "10.3.0", 11: "11.4.0"}[GENERATION]
)
_MAGIC = b"FAKE TENSORRT PLAN\0"
_driver = ctypes.CDLL("libcuda.so.1")
_driver.fake_host.restype = ctypes.c_void_p
_driver.fake_host.argtypes = [ctypes.c_uint64]
_driver.cuLaunchHostFunc.argtypes = [ctypes.c_void_p] * 3
# a plan belongs to the library that built it; these bindings are of an earlier patch
_LIBRARY = ctypes.CDLL(f"libnvinfer.so.{GENERATION}").getInferLibVersion()


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        self._ready = True


if GENERATION > 8:

    class IProgressMonitor:
        def __init__(self) -> None:
            self._ready = True


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> memoryview:
        return memoryview(self._data or b"fake timings")


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, list[list[int]]] = {}

    def set_shape(
        self,
        input: str,
        min: collections.abc.Sequence[int],
        opt: collections.abc.Sequence[int],
        max: collections.abc.Sequence[int],
    ) -> None:
        self._shapes[input] = [list(min), list(opt), list(max)]


class _Config:
    def __init__(self) -> None:
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.builder_optimization_level = 3
        self.default_device_type, self.DLA_core = DeviceType.GPU, -1
        if GENERATION > 8:
            self.progress_monitor = None
            self.hardware_compatibility_level = HardwareCompatibilityLevel.NONE
        self._flags = {BuilderFlag.TF32}
        self._profiles: list[IOptimizationProfile] = []
        self._cache: ITimingCache | None = None
        self._limits: dict[int, int] = {}

    def set_flag(self, flag: int) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: int) -> None:
        self._flags.discard(flag)

    def get_flag(self, flag: int) -> bool:
        return flag in self._flags

    def set_memory_pool_limit(self, pool: int, pool_size: int) -> None:
        self._limits[pool] = pool_size

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class _Tensor:
    def __init__(self, name: str, shape: typing.Any, dtype: typing.Any) -> None:
        self.name, self.shape, self.dtype = name, shape, dtype


class _Layer:
    def __init__(self, name: str, outputs: list[_Tensor]) -> None:
        self.name, self._outputs = name, outputs
        self.num_outputs = len(outputs)

    def get_output(self, index: int) -> _Tensor:
        return self._outputs[index]


class _Input(_Tensor):
    """Its shape can be set until the engine is built; what follows from it is derived anew."""

    def __init__(self, network: "_Network", index: int) -> None:
        self._network, self._index = network, index
        value = network._model.graph.input[index]
        super().__init__(value.name, None, dtype(value.type.tensor_type.elem_type))

    @property
    def shape(self) -> tuple[int, ...]:
        value = self._network._model.graph.input[self._index].type.tensor_type
        return tuple(axis.dim_value or -1 for axis in value.shape.dim)

    @shape.setter
    def shape(self, dims: collections.abc.Sequence[int] | None) -> None:
        if dims is not None:
            self._network._reshape(self._index, dims)


class _Network:
    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._model: onnx.ModelProto | None = None
        self.num_layers = 0
        self._layers: list[_Layer] = []

    def get_input(self, index: int) -> _Input:
        return _Input(self, index)

    def _reshape(self, index: int, dims: collections.abc.Sequence[int]) -> None:
        graph = self._model.graph
        for axis, size in zip(graph.input[index].type.tensor_type.shape.dim, dims, strict=True):
            if size != -1:
                axis.dim_value = size
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        self._model = onnx.shape_inference.infer_shapes(self._model)

    def get_layer(self, index: int) -> _Layer:
        return self._layers[index]

    def _take(self, model: onnx.ModelProto) -> None:
        self._model = onnx.shape_inference.infer_shapes(model)
        graph = self._model.graph
        types = {v.name: v.type.tensor_type.elem_type for v in [*graph.value_info, *graph.output]}
        for node in graph.node:
            outputs = [_Tensor(name, [], dtype(types.get(name, 1))) for name in node.output]
            self._layers.append(_Layer(node.name, outputs))
        self.num_layers = len(self._layers)


class OnnxParser:
    def __init__(self, network: _Network, logger: typing.Any) -> None:
        self._network = network
        self._errors: list[_ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> _ParserError:
        return self._errors[index]

    def parse(self, model: bytes) -> bool:
        loaded = onnx.load_from_string(model)
        told = [(i, node, _complaint(node, loaded)) for i, node in enumerate(loaded.graph.node)]
        self._errors = [_ParserError(*one) for one in told if one[2]]
        if not self._errors:
            self._network._take(loaded)
        return not self._errors


class Builder:
    def __init__(self, logger: typing.Any) -> None:
        self.num_DLA_cores = 1
        self._logger = logger

    def create_network(self, flags: int = 0) -> _Network:
        kinds = [one for one in NetworkDefinitionCreationFlag if flags & (1 << int(one))]
        return _Network(kinds[0].name)

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: _Network, config: _Config) -> memoryview | None:
        image = network.get_input(0)
        if image.shape[0] == -1 and not config._profiles:
            self._logger.log(ILogger.ERROR, "network has dynamic inputs, but no profile was set")
            return None
        kinds = {node.op_type for node in network._model.graph.node}
        if config.default_device_type == DeviceType.DLA and "DequantizeLinear" in kinds:
            self._logger.log(ILogger.ERROR, "a DLA does not take explicit quantisation")
            return None
        if not self._told_progress(config):
            return None
        shapes = config._profiles[0]._shapes[image.name] if config._profiles else [image.shape] * 3
        header = {"version": _LIBRARY, "profile": shapes, "dynamic": bool(config._profiles)}
        text = json.dumps(header).encode()
        model = network._model.SerializeToString()
        return memoryview(_MAGIC + len(text).to_bytes(4, "little") + text + model)

    def _told_progress(self, config: _Config) -> bool:
        monitor = getattr(config, "progress_monitor", None)
        if monitor is None:
            return True
        monitor.phase_start("Building", None, 2)
        monitor.phase_start("Timing tactics", "Building", 4)
        going_on = all(monitor.step_complete("Timing tactics", step) for step in range(4))
        monitor.phase_finish("Timing tactics")
        monitor.phase_finish("Building")
        return going_on


class Runtime:
    def __init__(self, logger: typing.Any) -> None:
        self._logger, self.DLA_core = logger, -1
        if GENERATION > 8:
            self.engine_host_code_allowed = False

    def deserialize_cuda_engine(
        self, serialized_engine: bytes | memoryview
    ) -> "ICudaEngine | None":
        data = bytes(serialized_engine)
        if not data.startswith(_MAGIC):
            self._logger.log(ILogger.ERROR, "Magic tag does not match")
            return None
        size = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 4], "little")
        body = data[len(_MAGIC) + 4 :]
        header = json.loads(body[:size])
        if header["version"] != _LIBRARY and not getattr(self, "engine_host_code_allowed", 0):
            self._logger.log(ILogger.ERROR, "the plan was built by another version")
            return None
        return ICudaEngine(header, body[size:], self._logger)


class ICudaEngine:
    def __init__(self, header: dict[str, typing.Any], model: bytes, logger: typing.Any) -> None:
        self._header, self._logger = header, logger
        self._model = onnx.load_from_string(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        graph = self._model.graph
        self._values = {value.name: value for value in [*graph.input, *graph.output]}
        self._contexts = 0
        self.num_io_tensors = len(self._values)
        self.num_optimization_profiles = int(header["dynamic"])

    def get_tensor_name(self, index: int) -> str:
        return list(self._values)[index]

    def get_tensor_mode(self, name: str) -> typing.Any:
        inputs = [value.name for value in self._model.graph.input]
        return TensorIOMode.INPUT if name in inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> typing.Any:
        return dtype(self._values[name].type.tensor_type.elem_type)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        dims = self._values[name].type.tensor_type.shape.dim
        return tuple(axis.dim_value or -1 for axis in dims)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self._header["profile"]]

    def create_execution_context(self) -> "IExecutionContext":
        self._contexts += 1
        return IExecutionContext(self)

    def create_engine_inspector(self) -> "EngineInspector":
        return EngineInspector(self)


class EngineInspector:
    """Of a dynamic engine it knows the shapes only with a context that has them."""

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine, self.execution_context = engine, None

    def get_engine_information(self, format: typing.Any) -> str:
        context = self.execution_context or IExecutionContext(self._engine)
        shape = list(context._shape) if context._shape else "N/A"
        layers = [
            {
                "Name": node.name or node.op_type,
                "LayerType": node.op_type,
                "Inputs": [_described(node.input[0], shape)],
                "Outputs": [_described(node.output[0], shape)],
            }
            for node in self._engine._model.graph.node
        ]
        return json.dumps({"Layers": layers, "Bindings": []})


def _described(name: str, shape: typing.Any) -> dict[str, typing.Any]:
    """`Dimensions` are the input's, whichever tensor it is: known or not is what matters here."""
    return {"Name": name, "Dimensions": shape, "Format/Datatype": "Row major linear FP32"}


class IExecutionContext:
    """Remembers addresses and the shape, and runs when the stream does."""

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] | None = None
        if not engine._header["dynamic"]:
            self._shape = tuple(engine._header["profile"][1])
        self._profile = not engine._header["dynamic"]
        self._callbacks: list[typing.Any] = []

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if GENERATION == 8 and self._engine._contexts > 1:
            self._engine._logger.log(ILogger.ERROR, "Profile 0 is in use by another context")
            return False
        self._profile = profile_index == 0
        return self._profile

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return name in self._engine._values

    def set_input_shape(self, name: str, shape: collections.abc.Sequence[int]) -> bool:
        low, _, high = self._engine._header["profile"]
        shape = tuple(shape)
        fits = all(a <= b <= c for a, b, c in zip(low, shape, high))
        if not fits:
            self._engine._logger.log(ILogger.ERROR, f"{shape} is outside the profile")
        self._shape = shape if fits else self._shape
        return fits

    def execute_async_v3(self, stream_handle: int) -> bool:
        ready = self._profile and self._shape and len(self._addresses) == 2
        if not ready:
            self._engine._logger.log(ILogger.ERROR, "shapes, profile and addresses are not all set")
            return False
        shape = self._shape  # the work that is enqueued now has the shape of now
        callback = _HOST_FUNCTION(lambda _: self._compute(shape))
        self._callbacks = [*self._callbacks, callback]
        return _driver.cuLaunchHostFunc(stream_handle, callback, None) == 0

    def _compute(self, shape: tuple[int, ...]) -> None:
        names = {self._engine.get_tensor_mode(name): name for name in self._addresses}
        image = self._view(names[TensorIOMode.INPUT], shape)
        (rows,) = self._engine._session.run(None, {names[TensorIOMode.INPUT]: image})
        self._view(names[TensorIOMode.OUTPUT], rows.shape)[:] = rows

    def _view(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        pointer = _driver.fake_host(self._addresses[name])
        count = int(np.prod(shape))
        floats = (ctypes.c_float * count).from_address(pointer)
        values = np.frombuffer(floats, np.float32)  # type: ignore[call-overload]
        return values.reshape(shape)


_HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
