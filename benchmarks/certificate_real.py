"""A certificate on real faces: FP16 and INT8 in place of the FP32 that enrolled, at FMR 1e-4.

    python benchmarks/certificate_real.py --real REAL --work FOLDER [--model insightface_y1]

INT8 is calibrated on the 50 synthetic people of `omi`; the people of `lfw-dev` took no part in
making the bundle. Half of them set the thresholds, half are judged. Whether the network was trained
on any of them is not known, and the certificate says so.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from provenance import provenance, write_result

FED = ("--mean", "127.5", "--std", "127.5", "--colour", "RGB")


def embedge(*words: object, fine: tuple[int, ...] = (0,)) -> int:
    code = subprocess.run(
        [sys.executable, "-m", "embedge", *map(str, words)], check=False
    ).returncode
    if code not in fine:
        raise SystemExit(f"embedge {words[0]} ended with {code}")
    return code


def bundle_of(real: Path, model: Path, folder: Path) -> Path:
    """Its gates ask 25 synthetic people, who show little: what is shown is the certificate's."""
    out = folder / f"{model.stem}.embedge"
    if not out.exists():
        few = ("--fmr", 0.1, "--most", 600, "--seconds", 1, "--quiet")
        embedge(
            "bundle",
            model,
            "--faces",
            real / "omi",
            "--int8",
            "--out",
            out,
            *FED,
            *few,
            fine=(0, 3),
        )
    return out


def told(certificate: dict[str, Any]) -> dict[str, Any]:
    """What the claim rests on, of each artifact."""
    faces = certificate["faces"]
    return {
        "claim": certificate["claim"],
        "people": {key: faces[key] for key in ("threshold_people", "judged_people")},
        "pictures": faces["judged_pictures"],
        "trained_on": faces["trained_on"],
        "passed": certificate["verdict"]["passed"],
        "gates": certificate["verdict"]["gates"],
        "paragon": _system(certificate["paragon"]),
        "artifacts": {one["side"]["artifact"]: _artifact(one) for one in certificate["artifacts"]},
    }


def _system(one: dict[str, Any]) -> dict[str, Any]:
    keys = ("genuine", "accepted", "tar", "impostor", "false_matches", "fmr")
    return {"threshold": one["threshold"]["value"], **{key: one[key] for key in keys}}


def _artifact(one: dict[str, Any]) -> dict[str, Any]:
    flips = one["asymmetric"]["flips"]
    return {
        "cross": _system(one["cross"]),
        "alone": _system(one["alone"]),
        "asymmetric": one["asymmetric"]["difference"],
        "backward": one["backward"]["difference"],
        "paragon_gap": one["paragon_gap"],
        "flips": {key: flips[key] for key in ("negative", "positive", "people_losing", "people")},
        "backfill": [[point["share"], point["tar"]["rate"]] for point in one["backfill"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="the folder of real faces")
    parser.add_argument("--work", type=Path, required=True, help="for the bundle and the paper")
    parser.add_argument("--model", default="insightface_y1")
    parser.add_argument("--per-person", type=int, default=4)
    parser.add_argument("--fmr", type=float, default=1e-4)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bundle = bundle_of(
        options.real, options.real / "models" / f"{options.model}.onnx", options.work
    )
    began, paper = time.perf_counter(), options.work / "paper"
    asked = ("--fmr", options.fmr, "--per-person", options.per_person, "--out", paper)
    kept = ("--cache", options.work / "cache")
    embedge(
        *("certify", bundle, options.real / "lfw-dev", "--old", f"{bundle}:fp32", *asked, *kept),
        *("--artifacts", "fp16", "int8-cpu", "int8-trt"),
        fine=(0, 3),
    )
    result = told(json.loads((paper / "certificate.json").read_text()))
    result["model"] = options.model
    result["minutes"] = round((time.perf_counter() - began) / 60, 2)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result["peak_gb"] = round(used / 1e6, 3)
    write_result("certificate_real", {"provenance": provenance("onnxruntime"), **result})
    print(json.dumps({key: result[key] for key in ("passed", "people", "gates")}, indent=2))


if __name__ == "__main__":
    main()
