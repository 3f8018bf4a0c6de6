"""Three really trained networks, each with every fault on every runtime, and healthy."""

from pathlib import Path

import pytest
from healthy_encoders import CONVERTED, RUNTIMES, Embedder, converted_here
from trained_networks import Ill, dropping_denormals, ill, trained_network, well

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
pytestmark = pytest.mark.real


@pytest.fixture(
    scope="module",
    # the third is built as the first is, and fed as it is
    params=["foamliu_mbf", "w600k_mbf", pytest.param("insightface_y1", marks=pytest.mark.slow)],
)
def trained(
    request: pytest.FixtureRequest, real: Path, tmp_path_factory: pytest.TempPathFactory
) -> Embedder:
    who = trained_network(real, request.param, tmp_path_factory.mktemp("trained"))
    assert len(who.golden.to_bytes()) < 300_000
    return who


def exported(trained: Embedder, names: tuple[str, ...]) -> Embedder:
    """As its bundle is once it was exported for these."""
    who = trained.converted(names)
    assert len(who.golden.to_bytes()) < 300_000
    return who


def require_nearly_all_named(told: Ill) -> None:
    print(f"{told.asked} asked, unseen {told.unseen}, named otherwise {told.unnamed}")
    assert told.unseen == []
    assert len(told.unnamed) <= 0.1 * told.asked, told.unnamed


def test_every_fault_is_seen_and_nearly_every_one_named(trained: Embedder) -> None:
    require_nearly_all_named(ill(trained, RUNTIMES))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["ncnn", "litert", "executorch"])
def test_and_where_it_was_converted(trained: Embedder, runtime: str) -> None:
    names = tuple(name for name in CONVERTED if name.endswith(runtime))
    if not set(names) <= set(converted_here()):
        pytest.skip(f"pip install 'embedge[{runtime}]'")
    require_nearly_all_named(ill(exported(trained, names), names))


@pytest.mark.slow
def test_no_alarm_in_health(trained: Embedder) -> None:
    names = converted_here()
    told = well(exported(trained, names), names)
    print(f"{told.runs} healthy runs, alarms {told.alarms}")
    assert told.alarms == []
    assert told.runs >= 80


# ExecuTorch drops them whatever it is told, LiteRT's converter refuses such a network
@pytest.mark.parametrize("runtime", [*RUNTIMES, "fp32-ncnn"])
def test_denormal_numbers_that_a_runtime_drops(trained: Embedder, runtime: str) -> None:
    if runtime not in (*RUNTIMES, *converted_here()):
        pytest.skip("pip install 'embedge[ncnn]'")
    told = dropping_denormals(trained, (runtime,))
    assert (told.asked, told.unnamed) == (1, [])
