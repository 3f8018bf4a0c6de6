"""Timings are kept per device and version, and named by their digest."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from embedge.export.engines.tensorrt.timing_cache import (
    attach_timing_cache,
    keep_timing_cache,
    timing_cache_path,
)


class Config:
    """A builder's configuration that remembers its timings."""

    cache = None

    def create_timing_cache(self, known: bytes) -> SimpleNamespace:
        return SimpleNamespace(serialize=lambda: known + b"+new")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> None:
        assert ignore_mismatch is False
        self.cache = cache

    def get_timing_cache(self) -> Any:
        return self.cache


def test_the_name_carries_device_and_version(tmp_path: Path) -> None:
    path = timing_cache_path(tmp_path, "tensorrt-10.3.0", "Orin (nvgpu)", 87)
    assert path == tmp_path / "tensorrt-10.3.0-sm87-orin-nvgpu.timing"
    assert timing_cache_path(tmp_path, "rtx-1.7.1", "??", 87).name.endswith("-no-gpu.timing")


def test_a_second_build_begins_with_the_timings_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "folder/timings"
    for expected in (b"+new", b"+new+new"):
        config = Config()
        attach_timing_cache(config, path)
        assert keep_timing_cache(config, path) == hashlib.sha256(expected).hexdigest()
        assert path.read_bytes() == expected


def test_without_a_path_nothing_is_written_but_the_digest_is_known(tmp_path: Path) -> None:
    config = Config()
    attach_timing_cache(config, None)
    assert keep_timing_cache(config, None) == hashlib.sha256(b"+new").hexdigest()
    assert list(tmp_path.iterdir()) == []
    assert keep_timing_cache(Config(), None) is None
