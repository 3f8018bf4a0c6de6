"""From one embedding space to another: the map, its file, and whom it may be applied to."""

from embedge.runtime.bridge.bridge import Bridge, Bridged, End, Hidden
from embedge.runtime.bridge.file import read_bridge, sign_bridge, write_bridge

__all__ = ["Bridge", "Bridged", "End", "Hidden", "read_bridge", "sign_bridge", "write_bridge"]
