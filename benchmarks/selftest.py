"""The self-test on really trained networks: faults seen and named, and healthy runs without alarm.

    python benchmarks/selftest.py REAL_FOLDER [--networks foamliu_mbf] [--converted ncnn litert]
        [--health]

The same questions as `pytest --slow tests/real/test_selftest_real.py`, by the same code
(`tests/support/trained_networks.py`): each network is made sick in every way on ONNX Runtime (fp32,
fp16, INT8) and OpenVINO, denormal numbers included, and on what `--converted` names; `--health`
asks the right answers by other roads, on all that is installed. Stored by network and part: one
part keeps the others.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from healthy_encoders import RUNTIMES, converted_here
from trained_networks import NETWORKS, dropping_denormals, ill, trained_network, well

ROUNDED = 60  # ways in which every INT8 file is rounded elsewhere: a thousand healthy runs in all
PACKAGES = ("onnxruntime", "openvino", "ncnn", "ai-edge-litert", "executorch")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=sorted(NETWORKS))
    parser.add_argument(
        "--converted", nargs="*", choices=("ncnn", "litert", "executorch"), default=[]
    )
    parser.add_argument("--only-converted", action="store_true", help="not what reads ONNX")
    parser.add_argument("--health", action="store_true")
    options = parser.parse_args()
    stored = RESULTS / "selftest.json"
    networks = json.loads(stored.read_text())["networks"] if stored.exists() else {}
    for name in options.networks:
        parts = networks.setdefault(name, {})
        with tempfile.TemporaryDirectory() as folder:
            for part, figures in _asked(options, name, Path(folder)):
                parts[part] = {**figures, "provenance": provenance(*PACKAGES)}
                print(name, part, figures, flush=True)
                write_result("selftest", {"networks": networks})
    return 0


def _asked(options: argparse.Namespace, name: str, folder: Path) -> Any:
    start = time.monotonic()

    def timed(figures: dict[str, Any]) -> dict[str, Any]:
        nonlocal start
        seconds, start = time.monotonic() - start, time.monotonic()
        return {**figures, "seconds": round(seconds, 1)}

    who = trained_network(options.real, name, folder)
    if not options.only_converted:
        yield "onnxruntime and openvino", timed(_told(ill(who, RUNTIMES)))
        keeping = [one for one in converted_here() if one == "fp32-ncnn"]
        yield "denormal numbers", timed(_told(dropping_denormals(who, (*RUNTIMES, *keeping))))
    mine = [one for one in converted_here() if one.partition("-")[2] in options.converted]
    for runtime in options.converted:
        names = tuple(one for one in mine if one.endswith(runtime))
        if names:
            yield runtime, timed(_told(ill(who.converted(names), names)))
    if options.health:
        names = converted_here()
        found = well(who.converted(names), names, ROUNDED)
        yield "health", timed({"runs": found.runs, "alarms": found.alarms})


def _told(found: Any) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "seen": found.asked - len(found.unseen),
        "named": found.asked - len(found.unnamed),
        "unseen": found.unseen,
        "named_otherwise": found.unnamed,
    }


if __name__ == "__main__":
    sys.exit(main())
