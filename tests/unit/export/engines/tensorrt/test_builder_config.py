"""A feature is asked for only where the TensorRT at hand has it."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions
from embedge.export.engines.tensorrt.builder_config import builder_config, set_flag_names


class Config:
    """Remembers flags; has no attribute for what an older TensorRT lacks."""

    def __init__(self) -> None:
        self.flags = {"TF32"}

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.flags.discard(flag)

    def get_flag(self, flag: str) -> bool:
        return flag in self.flags

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.memory = (pool, size)

    def add_optimization_profile(self, profile: Any) -> None:
        self.profile = profile


FLAGS = {name: name for name in ("FP16", "INT8", "TF32", "GPU_FALLBACK")}
TRT: Any = SimpleNamespace(
    __version__="8.5.2",
    BuilderFlag=SimpleNamespace(__members__=FLAGS, **FLAGS),
    ProfilingVerbosity=SimpleNamespace(DETAILED="detailed"),
    MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
    DeviceType=SimpleNamespace(DLA="dla"),
)


def configured(
    options: EngineOptions, *, batch: int = -1, cores: int = 0, kind: str = "EXPLICIT_BATCH"
) -> Any:
    image = SimpleNamespace(name="image", shape=(batch, 3, 112, 112))
    builder = MagicMock(create_builder_config=Config, num_DLA_cores=cores)
    network = SimpleNamespace(get_input=lambda _: image)
    return builder_config(TRT, builder, network, options, kind)


def test_int8_with_a_half_remainder_sets_both_flags_and_fp32_means_fp32() -> None:
    config = configured(EngineOptions("int8", batches=(1, 2, 4)))
    assert config.flags == {"FP16", "INT8"}
    assert config.memory == ("workspace", 1024 << 20)
    shapes = [shape[0] for shape in config.profile.set_shape.call_args.args[1:]]
    assert shapes == [1, 2, 4]
    assert set_flag_names(TRT, config, "EXPLICIT_BATCH") == ("EXPLICIT_BATCH", "FP16", "INT8")


def test_strong_typing_needs_no_flag() -> None:
    assert configured(EngineOptions("int8"), kind="STRONGLY_TYPED").flags == set()
    assert configured(EngineOptions("fp32", tf32=True)).flags == {"TF32"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimisation_level": 3}, "E-TRT-FEATURE.*8.5.2 does not offer builder optimization"),
        ({"version_compatible": True}, "E-TRT-FEATURE.*version compatible"),
        ({"hardware": "ampere-plus"}, "E-TRT-FEATURE.*hardware compatibility"),
        ({"sms": (86,)}, "E-TRT-FEATURE.*compute capability"),
        ({"dla": 0}, "E-TRT-DLA.*core 0 was asked for, this device has 0"),
    ],
)
def test_what_is_not_there_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EmbedgeError, match=words):
        configured(EngineOptions("fp16", **options))


def test_a_dla_core_falls_back_to_the_gpu() -> None:
    config = configured(EngineOptions("fp16", dla=1), cores=2)
    assert (config.default_device_type, config.DLA_core) == ("dla", 1)
    assert "GPU_FALLBACK" in config.flags


def test_a_fixed_batch_must_be_the_profiles() -> None:
    configured(EngineOptions("fp16", batches=(2, 2, 2)), batch=2)
    with pytest.raises(EmbedgeError, match=r"E-ENGINE-OPTION.*fixed at 2"):
        configured(EngineOptions("fp16"), batch=2)
