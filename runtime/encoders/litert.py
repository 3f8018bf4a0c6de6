"""The encoder on LiteRT (TensorFlow Lite): optional. `pip install 'embedge[litert]'`."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import ours
from embedge.optional import require
from embedge.runtime.closing import Spares
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import CropEncoder, misfit
from embedge.runtime.encoders.sessions import require_threads

__all__ = ["LiteRtEncoder"]

_refused = partial(misfit, "LiteRT file", "litert")


class LiteRtEncoder(CropEncoder):
    """A `.tflite` file that takes one picture (1, size, size, 3) in float32.

    Safe to share between threads: an interpreter holds the tensors of one call, so each call has
    one to itself, and there are as many of them as there were calls at one time.
    """

    def __init__(
        self, model: bytes, contract: EmbeddingContract, *, threads: int | None = None
    ) -> None:
        kind = require("ai_edge_litert.interpreter", extra="litert").Interpreter
        count = None if threads is None else require_threads(threads)
        self._spare = Spares(lambda: _opened(kind, model, count))
        self.contract = contract
        self.provider = "LiteRT CPU"
        with self._spare.lent() as interpreter:
            _require_ends(interpreter, contract)

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._spare.lent() as interpreter:
            return np.concatenate([_answer(interpreter, picture) for picture in tensor])

    def close(self) -> None:
        """Let go of the network; calls under way end with their answer."""
        self._spare.close()


def _opened(kind: Any, model: bytes, threads: int | None) -> Any:
    try:
        interpreter = kind(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    except ours((ValueError, RuntimeError)) as error:
        raise _refused(f"LiteRT cannot read it ({str(error)[:200]})") from error
    return interpreter


def _answer(interpreter: Any, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], np.ascontiguousarray(picture.transpose(1, 2, 0))[None])
    interpreter.invoke()
    return np.array(interpreter.get_tensor(result["index"]), np.float32)


def _require_ends(interpreter: Any, contract: EmbeddingContract) -> None:
    ends = interpreter.get_input_details(), interpreter.get_output_details()
    found = [(tuple(one["shape"].tolist()), one["dtype"]) for side in ends for one in side]
    image = (1, contract.size, contract.size, 3)
    if found != [(image, np.float32), ((1, contract.dim), np.float32)]:
        raise _refused(f"its shapes are {[shape for shape, _ in found]}")
