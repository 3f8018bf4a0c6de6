"""What others did to the processor, read from made-up and from real counters."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedge.bench.machine.pressure import LoadMeter


def write_proc(root: Path, *, ticks: int, waiting_us: int) -> None:
    (root / "pressure").mkdir(exist_ok=True)
    (root / "stat").write_text(f"cpu {ticks} 0 0 99999 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
    (root / "pressure" / "cpu").write_text(
        f"some avg10=0.00 avg60=0.00 avg300=0.00 total={waiting_us}\nfull total=0\n"
    )
    (root / "loadavg").write_text("1.25 0.5 0.1 1/100 1000\n")


def test_counters_become_cores(tmp_path: Path) -> None:
    write_proc(tmp_path, ticks=0, waiting_us=0)
    watch = LoadMeter(tmp_path)
    time.sleep(0.2)
    write_proc(tmp_path, ticks=os.sysconf("SC_CLK_TCK"), waiting_us=50_000)  # a core-second
    load = watch.stop()
    assert load.others == pytest.approx(1 / load.seconds - load.own, rel=1e-6)
    assert load.waiting == pytest.approx(0.05 / load.seconds, rel=1e-6)
    assert load.loadavg == 1.25
    assert load.busy


def test_a_system_without_counters_is_unknown_not_quiet(tmp_path: Path) -> None:
    load = LoadMeter(tmp_path).stop()
    assert (load.others, load.waiting, load.loadavg, load.busy) == (None, None, None, False)
    assert load.told().other_cores is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux counters only")
def test_a_neighbour_is_seen_and_our_own_work_is_not() -> None:
    """A child process that is not waited for counts as somebody else."""
    code = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.2)
        watch = LoadMeter()
        time.sleep(0.6)
        load = watch.stop()
    finally:
        neighbour.kill()
        neighbour.wait()
    assert load.own < 0.2
    assert load.others is not None
    assert load.others > 0.2
    assert load.busy
