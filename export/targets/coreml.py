"""A torch network to a CoreML package, its program read again and computed: `embedge[coreml]`.

CoreML itself runs on Apple's systems only. What is written here is loaded from the file, weights
and all, and computed in torch operator by operator, so that its numbers are known before it goes.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedge.errors import EmbedgeError
from embedge.export.targets import Converted, quiet, told
from embedge.export.targets.mil import answers_of
from embedge.optional import require
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY

__all__ = ["coreml_answers", "coreml_from_network"]

PACKAGE = ".mlpackage"
_WEIGHTS = "Data/com.apple.CoreML/weights"


def coreml_from_network(
    network: nn.Module, contract: EmbeddingContract, *, half: bool
) -> Converted:
    """The files of a package: `image` (1, 3, size, size) in float32 to `embedding` (1, dim).

    `half` computes and stores in 16 bits; the ends stay float32. The contract stands in its
    metadata, as in an ONNX file.
    """
    picture = torch.zeros(1, 3, contract.size, contract.size)
    with quiet(), told("CoreML"), tempfile.TemporaryDirectory() as folder:
        tools = require("coremltools", extra="coreml")
        program = torch.export.export(_Named(network), (picture,)).run_decompositions({})
        made = tools.convert(
            program,
            convert_to="mlprogram",
            outputs=[tools.TensorType("embedding", dtype=np.float32)],
            compute_precision=tools.precision.FLOAT16 if half else tools.precision.FLOAT32,
            minimum_deployment_target=tools.target.iOS15,
            skip_model_load=True,
        )
        made.short_description = "Aligned face to embedding"
        made.user_defined_metadata[METADATA_KEY] = json.dumps(contract.to_json(), sort_keys=True)
        package = Path(folder) / f"net{PACKAGE}"
        made.save(str(package))
        files = {f"{PACKAGE}/{name}": (package / name).read_bytes() for name in _members(package)}
    return Converted(files, {"coremltools": version("coremltools"), "torch": torch.__version__})


class _Named(nn.Module):
    """Whose entrance has the name that the package's shall have."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(image)
        return answer


def _members(package: Path) -> list[str]:
    """Beside what CoreML reads lies a map for another tool's debugger."""
    found = [path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()]
    return sorted(name for name in found if name == "Manifest.json" or name.startswith("Data/"))


def coreml_answers(package: Path, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the program in a package gives, picture by picture, in float32 with its own weights."""
    with quiet(), told("CoreML"):
        tools = require("coremltools", extra="coreml")
        reader = require("coremltools.converters.mil.frontend.milproto.load", extra="coreml")
        spec = tools.utils.load_spec(str(package))
        _require_ends(spec.description, tensor.shape[1:])
        program: Any = reader.load(
            spec,
            specification_version=spec.specificationVersion,
            file_weights_dir=str(package / _WEIGHTS),
        )
        main = program.functions["main"]
        return np.concatenate([answers_of(main, picture[None]) for picture in tensor])


def _require_ends(said: Any, picture: tuple[int, ...]) -> None:
    (source,), (result,) = said.input, said.output
    shape = tuple(source.type.multiArrayType.shape)
    if (source.name, result.name, shape) != ("image", "embedding", (1, *picture)):
        raise EmbedgeError(
            "E-TARGET",
            f"the package takes {source.name} {shape} and gives {result.name}",
            remedy="Write it again: embedge export-target BUNDLE --target coreml",
        )
