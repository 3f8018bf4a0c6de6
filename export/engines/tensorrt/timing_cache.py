"""Kernel timings kept between builds, one file for each device and TensorRT version."""

import hashlib
import re
from pathlib import Path
from typing import Any

from embedge.files import write_bytes

__all__ = ["attach_timing_cache", "keep_timing_cache", "timing_cache_path"]


def timing_cache_path(folder: Path, built_with: str, device: str, sm: int) -> Path:
    """Timings of another GPU or version mislead the builder, so the name carries both."""
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-") or "no-gpu"
    return folder / f"{built_with}-sm{sm}-{slug}.timing"


def attach_timing_cache(config: Any, path: Path | None) -> None:
    """Give the builder the timings it saw before; without a path it starts afresh."""
    known = path.read_bytes() if path is not None and path.is_file() else b""
    config.set_timing_cache(config.create_timing_cache(known), False)


def keep_timing_cache(config: Any, path: Path | None) -> str | None:
    """Write the timings back and return their digest: it names the tactics that were chosen."""
    cache = config.get_timing_cache()
    if cache is None:
        return None
    data = bytes(cache.serialize())
    if path is not None:
        write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()
