"""The doctor's answer for people."""

from collections.abc import Iterator

from embedge import __version__
from embedge.doctor.facts import Facts
from embedge.doctor.findings import Finding
from embedge.doctor.packages import Package

__all__ = ["facts_text"]


def facts_text(facts: Facts, found: list[Finding]) -> str:
    return "\n".join([*_machine(facts), "", *_packages(facts), "", *_findings(found)])


def _machine(facts: Facts) -> Iterator[str]:
    yield f"embedge {__version__}, Python {facts.python}, {facts.machine}"
    if facts.jetson:
        board = facts.jetson
        yield f"Jetson    {board.model}, L4T {board.l4t}, JetPack {board.jetpack or 'unknown'}"
    yield f"driver    {facts.driver.kernel or 'none'}, CUDA {facts.driver.cuda_text}"
    for device in facts.driver.devices:
        memory = device.memory_bytes / 2**30
        kind = "integrated" if device.integrated else "discrete"
        yield f"GPU {device.ordinal}     {device.name}, sm_{device.sm}, {memory:.1f} GiB, {kind}"
    libraries = ", ".join(f"{one.soname} ({one.version})" for one in facts.libraries)
    yield f"TensorRT  {libraries or 'no libnvinfer on the library path'}"
    yield f"ORT       {', '.join(facts.ort_providers) or 'no provider'}"


def _packages(facts: Facts) -> Iterator[str]:
    width = max(map(len, facts.packages))
    for name, package in facts.packages.items():
        yield f"  {name:<{width}}  {_state(package)}"


def _state(package: Package) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in package.distributions)
    if not package.present:
        return "-"
    return versions or "present" if package.usable else f"{versions} BROKEN: {package.problem}"


def _findings(found: list[Finding]) -> Iterator[str]:
    if not found:
        yield "Nothing is wrong."
    for one in found:
        yield f"{one.level}: {one.what}"
        yield f"    -> {one.remedy}"
