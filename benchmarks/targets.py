"""Every target of a network on this machine: size, likeness to float, accuracy, time.

    python benchmarks/targets.py NETWORK.onnx[@FEEDING] [...] [--faces LFW] [--seconds 40]
        [--only litert ncnn] [--page]

The networks are float exports of embedge, or foreign ones, fed by the convention that is named
behind them (`foamliu_mbf.onnx@rgb-imagenet`; `rgb-scaled` unless named).
One process, one thread, batch 1, interleaved rounds, medians. Rendered faces, or with `--faces`
those of a folder PERSON/PICTURE: people with one picture calibrate, 150 others judge. `cosine_p1`
is to the float graph on ONNX Runtime, `tar_loss` in points at FMR 1e-3. What is not installed here
is listed as not run. `sample:` is the bare network as ncnn's and LiteRT's own samples set it, on a
tensor that is ready (see samples.py): `to_sample` is what our encoder, from the picture to the row,
takes of that one's time. `--only` takes the targets whose names hold one of its words, beside float
on ONNX Runtime. Networks that were measured before stay in the file of results. `--page` writes the
table of docs/targets.md from what was stored.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from provenance import RESULTS, provenance, write_result
from samples import Sample
from target_files import FLOAT, SAMPLE, Made, Pictures, coreml, network_name, targets

from embedge.bench.core import Timed, single_stream
from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, cosines_of, scores_of
from embedge.calibration.rates import OperatingPoint, operating_point
from embedge.errors import EmbedgeError
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.preprocessing import FEEDINGS

FMR = 1e-3
PACKAGES = (
    "onnxruntime",
    "openvino",
    "ncnn",
    "pnnx",
    "ai-edge-litert",
    "executorch",
    "coremltools",
    "nncf",
)
PAGE = Path(__file__).parents[1] / "docs" / "targets.md"
NOT_YET = {
    "TensorRT": "engines are built from `int8-trt` and `fp16`; see docs/jetson.md",
    "QNN": "`int8-qdq` compiled and emulated by benchmarks/qnn_try.py; no Snapdragon here",
    "RKNN": "converted and simulated by benchmarks/rknn_try.py; no Rockchip NPU here",
    "CoreML": "packages are written and their programs computed in torch; no Mac here",
}


@dataclass(frozen=True)
class Asked:
    path: Path
    feeding: str

    @classmethod
    def of(cls, text: str) -> Self:
        path, _, feeding = text.partition("@")
        if feeding and feeding not in FEEDINGS:
            raise argparse.ArgumentTypeError(f"{feeding} is none of {', '.join(FEEDINGS)}")
        return cls(Path(path), feeding or "rgb-scaled")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", type=Asked.of, nargs="*", metavar="NETWORK.onnx[@FEEDING]")
    parser.add_argument("--faces", type=Path, help="PERSON/PICTURE instead of rendered faces")
    parser.add_argument("--seconds", type=float, default=40.0, help="of timing, for each network")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="some targets")
    parser.add_argument("--page", action="store_true", help="write docs/targets.md's table")
    options = parser.parse_args()
    stored = RESULTS / "targets.json"
    networks = json.loads(stored.read_text()).get("networks", {}) if stored.exists() else {}
    if options.networks:
        pictures = Pictures.of_folder(options.faces) if options.faces else Pictures.rendered()
    for asked in options.networks:
        networks[network_name(asked.path)] = {
            "provenance": provenance(*PACKAGES),
            "faces": "rendered" if options.faces is None else options.faces.name,
            "people": len(set(pictures.people.tolist())),
            "rows": _measured(asked, pictures, options),
        }
        write_result("targets", {"networks": networks, "not_yet_run": NOT_YET})
    if options.page:
        head = PAGE.read_text().partition("<!-- table -->\n")[0]
        PAGE.write_text(f"{head}<!-- table -->\n{_table(networks)}")
    return 0


def _measured(
    asked: Asked, pictures: Pictures, options: argparse.Namespace
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        opened = dict[str, tuple[Made, Encoder]]()
        made_of = targets(asked.path, asked.feeding, Path(folder), pictures.learnt)
        for name, make in made_of.items():
            if name != FLOAT and not any(word in name for word in options.only):
                continue
            try:
                made = make()
                opened[name] = made, stack.enter_context(made.opened())
            except (EmbedgeError, ImportError) as error:
                rows.append({"target": name, "not_run": str(error)[:160]})
        rows += _packages(Path(folder) / "float.onnx", pictures, opened[FLOAT][1], options.only)
        known = {name: encoder.embed(pictures.faces) for name, (_, encoder) in opened.items()}
        before = 100 * _tar(known[FLOAT], pictures.people)
        timed = single_stream(
            [Timed(name, _call(encoder, pictures.faces)) for name, (_, encoder) in opened.items()],
            seconds=options.seconds,
            rounds=7,
        )
        times = {one.name: float(np.median(one.milliseconds)) for one in timed}
        for one in timed:
            made, encoder = opened[one.name]
            cosine = cosines_of(known[FLOAT], known[one.name])
            rows.append(
                {
                    "target": one.name,
                    "bytes": made.size,
                    "cosine_p1": round(cosine.p1, 6),
                    "tar_loss": round(before - 100 * _tar(known[one.name], pictures.people), 3),
                    "p50_ms": round(times[one.name], 3),
                    "to_float": round(times[FLOAT] / times[one.name], 3),
                    **_to_sample(one.name, times),
                    "calls": len(one.milliseconds),
                    "disturbed": one.flagged,
                    "provider": encoder.provider,
                }
            )
    for row in rows:
        print(network_name(asked.path), row, flush=True)
    return rows


def _packages(
    source: Path, pictures: Pictures, known: Encoder, only: list[str]
) -> list[dict[str, Any]]:
    """CoreML's, which nothing runs here: their programs are computed for some of the faces."""
    rows: list[dict[str, Any]] = []
    faces = pictures.faces[:32]
    for precision in ("fp32", "fp16"):
        name = f"coreml {precision}"
        if not any(word in name for word in only):
            continue
        try:
            size, found = coreml(source, precision == "fp16", faces, source.parent)
        except EmbedgeError as error:
            rows.append({"target": name, "not_run": str(error)[:160]})
            continue
        cosine = cosines_of(known.embed(faces), found)
        rows.append({"target": name, "bytes": size, "cosine_p1": round(cosine.p1, 6)})
    return rows


def _to_sample(name: str, times: dict[str, float]) -> dict[str, float]:
    """Beside the faster of the samples that run this file."""
    samples = [time for other, time in times.items() if other.startswith(f"{SAMPLE}{name}")]
    return {"to_sample": round(times[name] / min(samples), 3)} if samples else {}


def _call(encoder: Encoder, faces: Any) -> Callable[[int], object]:
    if isinstance(encoder, Sample):
        return encoder.ready(faces[:64])
    return lambda query: encoder.embed(faces[query % 64][None])


def _tar(rows: Any, people: Any) -> float:
    subject = Subject(Side("network"), rows)
    point = operating_point(scores_of(subject, subject, people), FMR)
    return point.tar if isinstance(point, OperatingPoint) else float("nan")


def _table(networks: dict[str, Any]) -> str:
    lines = [
        "| network | target, precision | size | cosine p1 | TAR loss | ms | of its sample's time |"
        " ran on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for network, measured in networks.items():
        for row in measured["rows"]:
            start = f"| {network} | {row['target']} |"
            if "not_run" in row:
                lines.append(f"{start} | | | | | not run: {row['not_run']} |")
                continue
            if "p50_ms" not in row:
                lines.append(
                    f"{start} {row['bytes'] / 1e6:.2f} MB | {row['cosine_p1']:.5f} | | | |"
                    " not run: its program computed in torch |"
                )
                continue
            sample = f"{row['to_sample']:.2f} ×" if "to_sample" in row else ""
            lines.append(
                f"{start} {row['bytes'] / 1e6:.2f} MB | {row['cosine_p1']:.5f} |"
                f" {row['tar_loss']:.2f} | {row['p50_ms']:.2f} | {sample} | {row['provider']} |"
            )
    lines += [f"| any | {name} | | | | | | not yet run: {why} |" for name, why in NOT_YET.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
