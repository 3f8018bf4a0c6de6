from dataclasses import replace
from typing import Any

import pytest

from embedge.doctor import Facts, facts_text, findings
from embedge.doctor.jetson import Jetson
from embedge.doctor.libraries import TensorRTLibrary
from embedge.doctor.packages import Package
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDevice, CudaDriver

ORIN = CudaDevice(0, "Orin", 87, 8 << 30, True)
WITH_GPU = CudaDriver(12060, "540.4.0", (ORIN,), None)
NO_GPU = CudaDriver(0, None, (), "no CUDA driver (libcuda.so.1 is not on this machine)")
PLAIN = ("numpy", "onnxruntime", "PIL", "cryptography")
OTHERS = (
    "tensorrt",
    "tensorrt_bindings",
    "tensorrt_rtx",
    "pycuda.driver",
    "cuda.bindings.driver",
    "usearch",
)


def package(module: str, version: str = "1.0", problem: str | None = None) -> Package:
    return Package(module, ((module, version),), True, problem)


def healthy(**changes: Any) -> Facts:
    packages = {name: package(name) for name in PLAIN}
    packages |= {name: Package(name, (), False, None) for name in OTHERS}
    facts = Facts(
        python="3.11.7",
        machine="Linux x86_64",
        jetson=None,
        driver=NO_GPU,
        libraries=(),
        packages=packages,
        ort_distributions=(("onnxruntime", "1.31.1"),),
        ort_providers=("CPUExecutionProvider",),
    )
    return replace(facts, **changes)


def with_packages(facts: Facts, *changed: Package) -> Facts:
    return replace(facts, packages={**facts.packages, **{one.module: one for one in changed}})


def problems(facts: Facts) -> list[str]:
    return [f"{one.what} -> {one.remedy}" for one in findings(facts) if one.level == "problem"]


def test_a_cpu_machine_is_healthy() -> None:
    assert problems(healthy()) == []
    assert {one.level for one in findings(healthy())} == {"note"}


def test_two_onnxruntimes_are_a_problem_with_the_command_that_mends_it() -> None:
    facts = healthy(ort_distributions=(("onnxruntime", "1.31.1"), ("onnxruntime-gpu", "1.31.1")))
    (problem,) = problems(facts)
    assert "overwrite each other" in problem
    assert "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu" in problem


def test_driver_module_without_libraries_is_a_container_mistake() -> None:
    facts = healthy(driver=replace(NO_GPU, kernel="550.54.15"))
    (problem,) = problems(facts)
    assert "550.54.15" in problem
    assert "--gpus all" in problem


@pytest.mark.parametrize("module", PLAIN)
def test_a_broken_runtime_package_is_a_problem(module: str) -> None:
    facts = with_packages(healthy(), package(module, problem="ImportError: no such symbol"))
    (problem,) = problems(facts)
    assert problem.startswith(f"{module} does not import: ImportError: no such symbol")


def test_bindings_of_another_major_version() -> None:
    facts = with_packages(
        healthy(driver=WITH_GPU, libraries=(TensorRTLibrary("libnvinfer.so.10", "10.3.0"),)),
        Package("tensorrt_bindings", (("tensorrt-cu13-bindings", "11.4.0"),), True, None),
    )
    told = problems(facts)
    assert any("needs libnvinfer.so.11, this machine has libnvinfer.so.10" in one for one in told)
    assert any("needs a driver for CUDA 13, this one serves CUDA 12.6" in one for one in told)


def test_tensorrt_without_a_memory_layer() -> None:
    facts = with_packages(healthy(driver=WITH_GPU), package("tensorrt"))
    notes = [one.what for one in findings(facts)]
    assert any("engines cannot run" in note for note in notes)
    mended = with_packages(facts, package("cuda.bindings.driver"))
    assert not any("engines cannot run" in one.what for one in findings(mended))


def test_what_has_not_run_on_hardware_is_said_where_it_would_run() -> None:
    here = with_packages(healthy(driver=WITH_GPU), package("tensorrt"))
    board = healthy(jetson=Jetson("Orin Nano", "39.2.0", "7.2", "10.16"))
    for facts, told in ((here, True), (board, True), (healthy(), False)):
        assert any("not yet run" in one.what for one in findings(facts)) is told


def test_a_crashing_package_is_reported_with_its_reason() -> None:
    broken = package("tensorrt", problem="importing it kills the process (signal 11)")
    (problem,) = problems(with_packages(healthy(), broken))
    assert "signal 11" in problem


def test_an_old_jetpack_is_a_problem() -> None:
    board = Jetson("Jetson Nano", "32.7.1", "4.6", "8.2")
    told = problems(healthy(jetson=board, driver=WITH_GPU))
    assert any("older than 8.5" in one for one in told)


def test_text_shows_device_and_findings() -> None:
    facts = healthy(driver=WITH_GPU, jetson=Jetson("Orin Nano", "36.4.3", "6.2", "10.3"))
    text = facts_text(facts, findings(facts))
    assert "Orin, sm_87, 8.0 GiB, integrated" in text
    assert "JetPack 6.2" in text
    assert "no CUDA provider" in text
    assert text.count("    -> ") == len(findings(facts))
