import stat
import time
from pathlib import Path

import pytest

from embedge.bench.machine.tegrastats import _mode, metered, parsed_line, power_mode
from embedge.bench.results import Sample

ORIN = (
    "11-20-2026 10:11:12 RAM 2448/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [12%@729,off,3%@729,0%@729] EMC_FREQ 1%@2133 GR3D_FREQ 37%@[611] NVDEC off "
    "cpu@45.3C soc0@43.1C tj@47.5C VDD_IN 4832mW/4790mW VDD_CPU_GPU_CV 480mW/470mW "
    "VDD_SOC 1400mW/1390mW"
)
XAVIER = (
    "RAM 3021/7773MB (lfb 2x4MB) CPU [2%@1190,off] GR3D_FREQ 0% AO@36C GPU@35.5C PMIC@50C "
    "VDD_IN 3021/2987 VDD_CPU_GPU_CV 367/360"
)
NANO = "RAM 1000/3956MB CPU [1%@102] GR3D_FREQ 99%@921 POM_5V_IN 2165/2160 POM_5V_GPU 0/0"


def test_orin() -> None:
    found = parsed_line(ORIN)
    assert found["VDD_IN_mw"] == 4832
    assert found["VDD_SOC_mw"] == 1400
    assert found["gpu_percent"] == 37
    assert found["ram_mb"] == 2448
    assert found["tj_c"] == 47.5
    assert "SWAP_mw" not in found


def test_older_boards_write_no_units() -> None:
    assert parsed_line(XAVIER)["VDD_IN_mw"] == 3021
    assert parsed_line(XAVIER)["GPU_c"] == 35.5
    assert parsed_line(NANO)["POM_5V_IN_mw"] == 2165
    assert parsed_line(NANO)["gpu_percent"] == 99


def test_other_text_is_nothing() -> None:
    assert parsed_line("tegrastats: permission denied") == {}


def test_samples_are_summed_up_while_the_body_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "tegrastats"
    lines = "VDD_IN 1000mW/1mW GR3D_FREQ 10%", "VDD_IN 3000mW/1mW GR3D_FREQ 30%"
    command.write_text(f"#!/bin/sh\necho '{lines[0]}'\necho '{lines[1]}'\nexec sleep 60\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with metered() as samples:
        until = time.monotonic() + 20
        while len(samples.samples["gpu_percent"]) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    summary = samples.summary()
    assert summary["VDD_IN_mw"] == Sample(2000.0, 3000.0, 2)
    assert summary["gpu_percent"].mean == 20.0


def test_nothing_is_sampled_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with metered() as samples:
        pass
    assert samples.summary() == {}
    assert power_mode() is None


def test_power_mode() -> None:
    assert _mode("NV Power Mode: 15W\n2\n") == "15W"
    assert _mode("NVPM WARN: fan mode is not set!\n") is None
