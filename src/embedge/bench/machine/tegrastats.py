"""Power, load and temperature of a Jetson while something runs, from NVIDIA's tegrastats."""

import re
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean

from embedge.bench.results import Sample

__all__ = ["Tegrastats", "metered", "parsed_line", "power_mode"]

_RAIL = re.compile(r"\b((?:VDD|POM|VIN|CV|GPU|CPU|SOC|NC)[A-Z0-9_]*) (\d+)(?:mW)?/(\d+)(?:mW)?")
_TEMPERATURE = re.compile(r"\b([A-Za-z][A-Za-z0-9_]*)@(-?\d+(?:\.\d+)?)C")
_GPU = re.compile(r"\bGR3D_FREQ (\d+)%")
_MEMORY = re.compile(r"\bRAM (\d+)/(\d+)MB")


@dataclass(slots=True)
class Tegrastats:
    """Samples of one measurement; empty where there is no tegrastats (another machine)."""

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, line: str) -> None:
        for name, value in parsed_line(line).items():
            self.samples[name].append(value)

    def summary(self) -> dict[str, Sample]:
        """By name: rails in milliwatts, temperatures in Celsius."""
        return {
            name: Sample(round(fmean(values), 1), max(values), len(values))
            for name, values in sorted(self.samples.items())
        }


def parsed_line(line: str) -> dict[str, float]:
    """One line of tegrastats, of JetPack 4 (no units) to 7, as numbers."""
    found = {f"{rail}_mw": float(now) for rail, now, _ in _RAIL.findall(line)}
    found |= {f"{sensor}_c": float(value) for sensor, value in _TEMPERATURE.findall(line)}
    if load := _GPU.search(line):
        found["gpu_percent"] = float(load[1])
    if memory := _MEMORY.search(line):
        found["ram_mb"] = float(memory[1])
    return found


@contextmanager
def metered(command: str = "tegrastats", milliseconds: int = 100) -> Iterator[Tegrastats]:
    """Sample while the body runs; without the command nothing is sampled and nothing fails."""
    samples = Tegrastats()
    if shutil.which(command) is None:
        yield samples
        return
    child = subprocess.Popen(
        [command, "--interval", str(milliseconds)], stdout=subprocess.PIPE, text=True
    )
    reader = threading.Thread(target=_read, args=(child, samples), daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        child.terminate()
        child.wait()
        reader.join()
        if child.stdout is not None:
            child.stdout.close()


def power_mode(command: str = "nvpmodel") -> str | None:
    """The power budget a Jetson is set to ('15W'), None elsewhere."""
    if shutil.which(command) is None:
        return None
    done = subprocess.run([command, "-q"], capture_output=True, text=True, check=False)
    return _mode(done.stdout)


def _mode(text: str) -> str | None:
    found = re.search(r"NV Power Mode:\s*(\S+)", text)
    return found[1] if found else None


def _read(child: "subprocess.Popen[str]", samples: Tegrastats) -> None:
    for line in child.stdout or ():
        samples.add(line)
