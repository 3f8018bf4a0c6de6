"""Our code against NVIDIA's real Python bindings, from TensorRT 8.6 to 11."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from real_bindings import Bindings, bindings
from tensorrt_uses import SOURCES, uses, uses_in

from embedge.export.engines.options import HARDWARE

TENSORRT_8 = ("tensorrt-bindings", "8.6.1")
TENSORRT_10 = ("tensorrt-cu12-bindings", "10.3.0")
TENSORRT_10_LAST = ("tensorrt-cu12-bindings", "10.16.1.11")
TENSORRT_11 = ("tensorrt-cu13-bindings", "11.4.0.106")
ALL = [TENSORRT_8, TENSORRT_10, TENSORRT_10_LAST, TENSORRT_11]

AHEAD_OF_TIME = {  # TensorRT-RTX alone builds for GPUs that are not there
    "IBuilderConfig.set_compute_capability",
    "IBuilderConfig.num_compute_capabilities",
    "tensorrt.ComputeCapability",
}
# What a version lacks of all that our code can use; everything else must be there.
LACKS = {
    TENSORRT_8: AHEAD_OF_TIME
    | {
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "IBuilderConfig.progress_monitor",
        "tensorrt.IProgressMonitor",
        "IProgressMonitor.__init__",
        "ParserError.node_name",
        "ParserError.node_operator",
    },
    TENSORRT_10: AHEAD_OF_TIME,
    TENSORRT_10_LAST: AHEAD_OF_TIME,
    TENSORRT_11: AHEAD_OF_TIME
    | {
        "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
        "BuilderFlag.FP16",
        "BuilderFlag.INT8",
    },
}
# What our code asks for by hasattr covers what it then uses without asking again.
IMPLIED = {
    "IBuilderConfig.num_compute_capabilities": "IBuilderConfig.set_compute_capability",
    "tensorrt.ComputeCapability": "IBuilderConfig.set_compute_capability",
    "tensorrt.IProgressMonitor": "IBuilderConfig.progress_monitor",
    "IProgressMonitor.__init__": "IBuilderConfig.progress_monitor",
    "ParserError.node_operator": "ParserError.node_name",
    "BuilderFlag.INT8": "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
}


@pytest.fixture(params=ALL, ids=lambda one: f"{one[0]}-{one[1]}")
def real(request: pytest.FixtureRequest) -> Bindings:
    return bindings(*request.param)


def named(problem: str) -> str:
    """'file:line: Owner.name: reason' -> 'Owner.name'."""
    return problem.split(": ")[1]


def test_the_version_lacks_exactly_what_the_table_says(real: Bindings) -> None:
    problems = real.problems(uses())
    lacking = {named(problem) for problem in problems}
    assert lacking == LACKS[(real.package, real.version)], "\n".join(problems)
    assert all(problem.endswith(("no such name", "no such class")) for problem in problems)


def test_what_some_version_lacks_is_asked_for_first() -> None:
    asked = {f"{use.owner or 'tensorrt'}.{use.name}" for use in uses() if use.optional}
    for name in set().union(*LACKS.values()):
        assert IMPLIED.get(name, name) in asked, name


def test_every_source_that_touches_tensorrt_is_read() -> None:
    read = {path.name for path in SOURCES}
    assert {"builder_config.py", "network.py", "engine.py", "lane.py"} <= read
    assert len(uses()) > 80


def test_hardware_levels_are_the_bindings_names() -> None:
    (level,) = (
        bindings(*TENSORRT_11).ask("names", ["HardwareCompatibilityLevel"]).values()  # type: ignore[attr-defined]
    )
    assert set(HARDWARE.values()) <= set(level)


def sources() -> Iterator[tuple[str, str]]:
    yield from ((path.name, path.read_text()) for path in SOURCES)


@pytest.mark.parametrize(
    ("file", "ours", "renamed"),
    [
        ("builder_config.py", "set_memory_pool_limit", "set_memory_pool_limits"),
        ("builder_config.py", "MemoryPoolType.WORKSPACE", "MemoryPoolType.WORKSPACES"),
        ("builder_config.py", "trt.ProfilingVerbosity", "trt.ProfileVerbosity"),
        ("builder_config.py", "config.DLA_core =", "config.dla_core ="),
        ("network.py", "parser.num_errors", "parser.error_count"),
        ("network.py", "parser_error.desc()", "parser_error.desc"),
        ("network.py", "builder.create_network(1 << int(flag))", "builder.create_network(1, 2)"),
        ("network.py", "image.shape = (", "image.shapes = ("),
        ("layers.py", "create_engine_inspector()", "create_engine_inspector(1)"),
        ("layers.py", "inspector.execution_context", "inspector.context"),
        ("lane.py", "execute_async_v3", "execute_async_v4"),
        ("lane.py", "num_optimization_profiles", "num_profiles"),
        ("engine.py", "get_tensor_profile_shape(image, 0)", "get_profile_shape(0, image)"),
        ("timing_cache.py", "known), False", "known), ignore=False"),
    ],
)
def test_a_renamed_or_miscalled_name_is_found(file: str, ours: str, renamed: str) -> None:
    """The proof must be able to fail: each of these mistakes in our code is reported."""
    text = dict(sources())[file]
    assert ours in text
    wrong = text.replace(ours, renamed)
    before = bindings(*TENSORRT_10).problems(uses_in(text, file))
    found = bindings(*TENSORRT_10).problems(uses_in(wrong, file))
    new = {named(problem) + problem.partition(": ")[2] for problem in found} - {
        named(problem) + problem.partition(": ")[2] for problem in before
    }
    assert new, f"{renamed} went unnoticed"


def test_an_object_of_unknown_name_is_refused() -> None:
    with pytest.raises(AssertionError, match="thing"):
        uses_in("def f(trt: ModuleType, thing: Any) -> None:\n    thing.go()\n", "x.py")


def test_a_guess_of_the_wrong_kind_is_found() -> None:
    """Reading a method as if it were a property is a mistake that hasattr does not see."""
    (use,) = (one for one in uses() if one.name == "get_tensor_profile_shape")
    (problem,) = bindings(*TENSORRT_10).problems([replace(use, kind="read")])
    assert re.search("it is a function", problem)
