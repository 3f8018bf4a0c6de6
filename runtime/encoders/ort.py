"""The encoder on ONNX Runtime."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError, ours
from embedge.runtime.closing import closed_error
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import LARGEST_BATCH, CropEncoder
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = ["METADATA_KEY", "OrtEncoder"]

METADATA_KEY = "embedge.contract"


class OrtEncoder(CropEncoder):
    """An ONNX student on ONNX Runtime; safe to share between threads.

    `provider` is the execution provider that really runs the graph. With `require_provider`
    anything less than that provider is an error; without it the CPU is used, by decision and
    not by accident.
    """

    def __init__(
        self,
        model: bytes | str | Path,
        contract: EmbeddingContract | None = None,
        *,
        threads: int | None = None,
        require_provider: str | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self._session = ort_session(
            model, threads=threads, require_provider=require_provider, providers=providers
        )
        self.contract = contract or _contract_of(self._session)
        self._input, self._output, self._batch = _door_of(self._session, self.contract)

    @property
    def provider(self) -> str:
        return str(self._open.get_providers()[0])

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        (rows,) = run_session(self._open, self._output, {self._input: tensor})
        if rows.shape != (len(tensor), self.contract.dim):
            raise _wrong_graph(f"it answered with shape {rows.shape}", self.contract)
        return np.asarray(rows, dtype=np.float32)

    @property
    def _open(self) -> Any:
        if self._session is None:
            raise closed_error("encoder")
        return self._session

    def close(self) -> None:
        """Let go of the session and its memory."""
        self._session = None


def _contract_of(session: Any) -> EmbeddingContract:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise EmbedgeError(
            "E-CONTRACT",
            f"the model carries no {METADATA_KEY} metadata, so its embeddings have no known space",
            remedy="Export it with embedge, or give the contract explicitly",
        )
    try:
        return EmbeddingContract.from_json(json.loads(text))
    except ours((ValueError, TypeError, KeyError)) as error:
        raise EmbedgeError(
            "E-CONTRACT",
            f"the model's {METADATA_KEY} metadata is not a contract: {error}",
            remedy="Export it with embedge, or give the contract explicitly",
        ) from error


def _door_of(session: Any, contract: EmbeddingContract) -> tuple[str, str, int]:
    """(input name, output name, batch size), after checking both shapes against the contract."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise _wrong_graph(f"it has {len(inputs)} inputs and {len(outputs)} outputs", contract)
    batch, *image = inputs[0].shape
    wanted = (3, contract.size, contract.size)
    if not _fits(image, wanted) or inputs[0].type != "tensor(float)":
        raise _wrong_graph(f"its input is {inputs[0].type} {inputs[0].shape}", contract)
    if not _fits(outputs[0].shape[1:], (contract.dim,)):
        raise _wrong_graph(f"its output has shape {outputs[0].shape}", contract)
    fixed = batch if isinstance(batch, int) else LARGEST_BATCH
    if fixed not in (1, LARGEST_BATCH):
        raise _wrong_graph(f"its batch is fixed to {batch}", contract)
    return inputs[0].name, outputs[0].name, fixed


def _fits(shape: Sequence[object], wanted: Sequence[int]) -> bool:
    """Equal where the graph is definite; a symbolic axis fits anything."""
    return len(shape) == len(wanted) and all(
        not isinstance(size, int) or size == want for size, want in zip(shape, wanted)
    )


def _wrong_graph(what: str, contract: EmbeddingContract) -> EmbedgeError:
    size = contract.size
    return EmbedgeError(
        "E-GRAPH",
        f"this model is not the encoder its contract describes: {what}",
        remedy=f"Export it again, to take float32 (batch, 3, {size}, {size}) and give (batch,"
        f" {contract.dim})",
    )
