"""A loaded ExecuTorch program, and the one pool of threads that all of a process run on."""

from threading import Lock
from typing import Any, ClassVar
from weakref import WeakSet

from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.runtime.encoders.sessions import require_threads

__all__ = ["LoadedProgram"]


class LoadedProgram:
    """The one method of a `.pte` file, with memory for one call at a time.

    Only the wheel's extension is imported: what lies round it would bring the whole exporter.
    """

    _alive: ClassVar["WeakSet[LoadedProgram]"] = WeakSet()
    _choosing: ClassVar = Lock()

    def __init__(self, model: bytes, threads: int | None) -> None:
        require("torch", extra="executorch")  # brings the library that the extension is linked to
        engine = require("executorch.extension.pybindings._C", extra="executorch")
        with self._choosing:
            if threads is not None:
                self._choose(engine, require_threads(threads))
            self._model = model  # is read where it lies, as long as the program lives
            self._program: Any = engine._load_program_from_buffer(model)
            self.method: Any = self._program.load_method("forward")
            self._alive.add(self)

    def _choose(self, engine: Any, threads: int) -> None:
        """A pool that is replaced under a loaded program takes the process down with it."""
        found = engine._threadpool_get_thread_count()
        if threads == found:
            return
        if self._alive:
            raise EmbedgeError(
                "E-THREADS",
                f"ExecuTorch runs on {found} threads in this process, not on {threads}",
                remedy="Close the encoders that are open, or ask for as many threads as they have",
            )
        engine._unsafe_reset_threadpool(threads)
