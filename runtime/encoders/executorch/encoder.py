"""The encoder on ExecuTorch: optional, to prove a phone's file: `embedge[executorch]`.

A phone runs the same file by ExecuTorch's own library, without Python and without torch.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import ours
from embedge.optional import require
from embedge.runtime.closing import Spares
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import CropEncoder, misfit
from embedge.runtime.encoders.executorch.program import LoadedProgram

__all__ = ["ExecuTorchEncoder"]

_refused = partial(misfit, "ExecuTorch file", "executorch")
_FLOAT = 6  # torch's number for float32


class ExecuTorchEncoder(CropEncoder):
    """A `.pte` file that takes one picture (1, 3, size, size) in float32.

    Safe to share between threads: a loaded program has memory for one call, so each call has one
    to itself. Its own threads are those of the process: the first encoder says how many.
    """

    def __init__(
        self, model: bytes, contract: EmbeddingContract, *, threads: int | None = None
    ) -> None:
        self._spare = Spares(lambda: _loaded(model, threads))
        self.contract = contract
        self.provider = "ExecuTorch CPU"
        with self._spare.lent() as program:
            self._tensor = require("torch", extra="executorch").from_numpy
            _require_ends(program, contract)

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Picture by picture, in the plain order: it takes strides for another layout."""
        with self._spare.lent() as program:
            return np.concatenate(
                [
                    np.array(program.method([self._tensor(picture[None])])[0])
                    for picture in np.ascontiguousarray(tensor)
                ]
            )

    def close(self) -> None:
        """Let go of the network; calls under way end with their answer."""
        self._spare.close()


def _loaded(model: bytes, threads: int | None) -> LoadedProgram:
    try:
        return LoadedProgram(model, threads)
    except ours((RuntimeError, ValueError)) as error:
        raise _refused(f"ExecuTorch cannot read it ({str(error)[:200]})") from error


def _require_ends(program: LoadedProgram, contract: EmbeddingContract) -> None:
    told = program.method.method_meta()
    if (told.num_inputs(), told.num_outputs()) != (1, 1):
        raise _refused(f"it has {told.num_inputs()} inputs and {told.num_outputs()} outputs")
    ends: list[Any] = [told.input_tensor_meta(0), told.output_tensor_meta(0)]
    image = (1, 3, contract.size, contract.size)
    if [(tuple(one.sizes()), one.dtype()) for one in ends] != [
        (image, _FLOAT),
        ((1, contract.dim), _FLOAT),
    ]:
        raise _refused(f"its shapes are {[tuple(one.sizes()) for one in ends]}")
