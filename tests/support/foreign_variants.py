"""One float network in the many forms that other people's exporters give it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import foreign_edits as edits
import numpy as np
import onnx
import onnxruntime
from foreign_edits import edited
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims

Pictures = NDArray[np.uint8]
SCALED = Stated((127.5,), (127.5,), "RGB")
PLAIN = Stated((0.0,), (1.0,), "RGB")

NAMES = (
    "Constant nodes",
    "Dropout and Identity",
    "Gemm bias (1,N)",
    "Gemm transposed",
    "Gemm with alpha, beta",
    "HardSwish",
    "L2 tail",
    "LeakyRelu",
    "LpNormalization tail",
    "Relu6",
    "an output that is not there",
    "as it is",
    "batch fixed to 1",
    "batch fixed to 4",
    "batch norms apart",
    "custom operator",
    "doubles",
    "dynamic height",
    "empty Conv bias",
    "external data",
    "external data outside",
    "external data, no folder",
    "float NHWC",
    "halves",
    "initialisers as inputs",
    "normalised twice",
    "normalises inside",
    "nothing stated",
    "one shared slope",
    "opset 10",
    "opset 11",
    "opset 12",
    "opset 13",
    "opset 24",
    "opset 6",
    "opset 7",
    "opset 9",
    "output (N,dim,1,1)",
    "quantised already",
    "range 0-1",
    "shared weights",
    "slopes [1,C,1,1]",
    "two inputs",
    "two outputs",
    "two outputs, one named",
    "uint8 NHWC",
    "unnamed nodes",
)


@dataclass(frozen=True, slots=True)
class Variant:
    """`feed` makes its real input of pictures, `truth` is what answers where it cannot run;
    `refusal` is the error that it ends in, as a regular expression."""

    model: ModelProto
    asked: Claims = field(default_factory=lambda: Claims(SCALED))
    feed: Callable[[Pictures], NDArray[np.generic]] = lambda pictures: planes(pictures)
    truth: ModelProto | None = None
    refusal: str | None = None
    external: bool = False

    def write(self, folder: Path) -> Path:
        path = folder / "foreign.onnx"
        if self.external:
            onnx.save(
                edited(self.model, lambda _: None),
                path,
                save_as_external_data=True,
                location="w.bin",
                size_threshold=0,
            )
        else:
            onnx.save(self.model, path)
        return path

    def answers(self, pictures: Pictures) -> NDArray[np.float32]:
        """What the network really says, by ONNX Runtime alone."""
        model = self.truth or self.model
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        entry = session.get_inputs()[0]
        fixed = entry.shape[0] if isinstance(entry.shape[0], int) else 1
        tensor = planes(pictures) if self.truth is not None else self.feed(pictures)
        wanted = [self.asked.output] if self.asked.output else None
        rows = [
            session.run(wanted, {entry.name: tensor[i : i + fixed]})[0]
            for i in range(0, len(tensor) // fixed * fixed, fixed)
        ]
        return np.concatenate(rows).reshape(len(tensor), -1).astype(np.float32)


def planes(pictures: Pictures) -> NDArray[np.float32]:
    return ((pictures.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2).copy()


def variants(base: ModelProto) -> Iterator[tuple[str, Variant]]:
    """Of a network of float32 planes with a free batch, opset 17, PRelu and a Gemm or MatMul."""
    yield "as it is", Variant(base)
    for opset in (7, 9, 10, 11, 12, 13, 24):
        yield f"opset {opset}", Variant(edited(base, edits.relabelled(opset)))
    yield (
        "opset 6",
        Variant(edited(base, edits.relabelled(6)), refusal="E-OPSET.*opset 6.*opset 17"),
    )
    for batch in (1, 4):
        yield f"batch fixed to {batch}", Variant(edited(base, edits.batch(batch)))
    yield "batch norms apart", Variant(edited(base, edits.batch_norms))
    yield "LeakyRelu", Variant(edited(base, edits.activation("LeakyRelu", alpha=0.1)))
    yield "HardSwish", Variant(edited(base, edits.activation("HardSwish")))
    yield "Relu6", Variant(edited(base, edits.relu6))
    yield "slopes [1,C,1,1]", Variant(edited(base, edits.slopes_of_a_batch))
    yield "one shared slope", Variant(edited(base, edits.shared_slope))
    yield (
        "uint8 NHWC",
        Variant(edited(base, edits.uint8_nhwc), Claims(PLAIN), feed=lambda pictures: pictures),
    )
    yield (
        "float NHWC",
        Variant(
            edited(base, edits.nhwc),
            Claims(Stated((127.5,), (127.5,), "RGB", "NHWC")),
            feed=lambda p: planes(p).transpose(0, 2, 3, 1).copy(),
        ),
    )
    plain = edited(base, edits.normalised_inside)
    yield (
        "normalises inside",
        Variant(plain, Claims(PLAIN), feed=lambda p: p.transpose(0, 3, 1, 2).astype(np.float32)),
    )
    yield "normalised twice", Variant(plain, refusal="E-FEEDING:.*inside.*--mean 0")
    yield "range 0-1", Variant(base, Claims(Stated((0.5,), (0.5,), "RGB", None, "0-1")))
    yield "nothing stated", Variant(base, Claims(), refusal="E-FEEDING-UNSTATED.*--mean")
    yield "doubles", Variant(edited(base, edits.typed(TensorProto.DOUBLE)), truth=base)
    yield (
        "halves",
        Variant(
            edited(base, edits.typed(TensorProto.FLOAT16)),
            feed=lambda p: planes(p).astype(np.float16),
        ),
    )
    yield "L2 tail", Variant(edited(base, edits.l2_tail))
    yield "LpNormalization tail", Variant(edited(base, edits.lp_tail))
    here = Claims(SCALED, weights=Path())
    yield "external data", Variant(base, here, external=True)
    yield (
        "external data, no folder",
        Variant(base, external=True, refusal="E-EXTERNAL-DATA.*--weights"),
    )
    yield (
        "external data outside",
        Variant(edited(base, edits.outside), here, refusal="E-EXTERNAL-DATA.*not inside"),
    )
    yield "initialisers as inputs", Variant(edited(base, edits.as_inputs))
    yield "shared weights", Variant(edited(base, edits.shared_weights))
    yield "unnamed nodes", Variant(edited(base, edits.unnamed))
    yield "Constant nodes", Variant(edited(base, edits.constant_nodes))
    yield "Gemm with alpha, beta", Variant(edited(base, edits.gemm(alpha=0.5, beta=2.0)))
    yield "Gemm bias (1,N)", Variant(edited(base, edits.gemm(row=True)))
    yield "Gemm transposed", Variant(edited(base, edits.gemm(alpha=0.7, transposed=True)))
    yield "empty Conv bias", Variant(edited(base, edits.empty_bias))
    yield "Dropout and Identity", Variant(edited(base, edits.nothings))
    yield "output (N,dim,1,1)", Variant(edited(base, edits.four_axes))
    two = edited(base, edits.second_output)
    yield (
        "two outputs, one named",
        Variant(two, Claims(SCALED, output=base.graph.output[0].name)),
    )
    yield "two outputs", Variant(two, refusal="E-OUTPUT.*second.*--output")
    yield (
        "an output that is not there",
        Variant(two, Claims(SCALED, output="third"), refusal="E-OUTPUT.*'third'.*second"),
    )
    yield (
        "dynamic height",
        Variant(
            edited(base, edits.dynamic_height),
            refusal="E-NOT-QUANTISABLE.*'height'.*one size",
        ),
    )
    yield (
        "two inputs",
        Variant(edited(base, edits.second_input), refusal="E-NOT-QUANTISABLE.*2 inputs"),
    )
    yield (
        "custom operator",
        Variant(edited(base, edits.custom), refusal="E-NOT-QUANTISABLE.*own/act.*acme::Swoosh"),
    )
    yield (
        "quantised already",
        Variant(edited(base, edits.quantised), refusal="E-NOT-QUANTISABLE.*already.*own/q"),
    )
