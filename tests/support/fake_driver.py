"""What tests may ask of the fake libcuda (tests/fake_gpu/libcuda.c)."""

import ctypes
import gc


class FakeDriver:
    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self._library.fake_count.restype = ctypes.c_long

    def live(self) -> dict[str, int]:
        gc.collect()
        kinds = ("blocks", "pinned", "streams", "graphs", "retained")
        return {kind: self._library.fake_count(kind.encode()) for kind in kinds}

    def launches(self) -> int:
        return int(self._library.fake_count(b"launches"))

    def fail(self, function: str, status: int, after: int = 0) -> None:
        self._library.fake_fail(function.encode(), status, after)

    def capacity(self, nbytes: int) -> None:
        self._library.fake_capacity(ctypes.c_size_t(nbytes))

    def uncapturable(self, yes: bool) -> None:
        """From now on engines hold work that no capture allows."""
        self._library.fake_uncapturable(int(yes))
