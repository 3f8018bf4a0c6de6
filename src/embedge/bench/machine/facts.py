"""What the figures were taken on: processor, memory, frequency, this process."""

import os
import platform
import re
import resource
import sys
from pathlib import Path

from embedge.bench.results import Machine

__all__ = [
    "cores",
    "frequency_mhz",
    "machine",
    "peak_rss_bytes",
    "temperature_c",
    "thread_count",
]


def machine() -> Machine:
    """This machine, now."""
    return Machine(
        name=_board_name(),
        cpu=_cpu_name(),
        cores=cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        python=platform.python_version(),
        frequency_mhz=frequency_mhz(),
        governor=_text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
    )


def cores() -> int:
    """The processors this process may use, which is what a thread pool can get."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def frequency_mhz() -> float | None:
    """The present clock of the first processor, where the system tells."""
    scaled = _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"))
    if scaled is not None:
        return round(int(scaled) / 1000, 1)
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", _cpuinfo(), re.MULTILINE)
    return float(found[1]) if found else None


def temperature_c() -> float | None:
    """The hottest sensor the system shows."""
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    read = [text for zone in zones if (text := _text(zone))]
    return max((int(text) / 1000 for text in read), default=None)


def peak_rss_bytes() -> int:
    """The most memory this process has ever held.

    Linux tells it of this very program; getrusage also counts what the parent held at the fork.
    """
    status = _text(Path("/proc/self/status")) or ""
    if found := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
        return 1024 * int(found[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def thread_count() -> int | None:
    """The threads of this process now, where Linux tells."""
    found = re.search(r"^Threads:\s*(\d+)", _text(Path("/proc/self/status")) or "", re.MULTILINE)
    return int(found[1]) if found else None


def _board_name() -> str | None:
    """What the board calls itself, where there is a device tree: Jetson, Raspberry Pi."""
    name = _text(Path("/proc/device-tree/model"))
    return name and name.rstrip("\0")


def _cpu_name() -> str:
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    return _text(Path("/proc/cpuinfo")) or ""


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:  # another system: the report shows it as unknown
        return None
