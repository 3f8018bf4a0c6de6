"""A clock that only moves when somebody sleeps: timings that a busy machine cannot spoil."""

from collections.abc import Callable


class FakeTime:
    """Stands where a module has `time`: `perf_counter`, `monotonic` and `sleep` agree."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def taking(self, milliseconds: float) -> Callable[[int], None]:
        """A call that takes exactly so long."""
        return lambda _: self.sleep(milliseconds / 1e3)
