"""What a device measured, in the report's schema, to be merged into the bundle's report."""

import datetime
import platform
from typing import Any

from embedge import __version__
from embedge.bench.machine.facts import machine
from embedge.bench.machine.tegrastats import power_mode
from embedge.doctor.jetson import jetson
from embedge.export.engines.check import EngineCheck
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver

__all__ = ["device_report"]


def device_report(
    bundle: Bundle,
    artifact: Artifact,
    file: str,
    card: EngineCard,
    check: EngineCheck,
    command: str,
) -> dict[str, Any]:
    """A complete `embedge.report/1`; `embedge report merge` adds it to the bundle's own."""
    name = file.rpartition("/")[2].removesuffix(".plan")
    gates = [_gate(name, check)]
    return {
        "schema": "embedge.report/1",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "title": f"{bundle.name}: engine {name}",
        "command": command,
        "verdict": {"passed": all(gate["passed"] for gate in gates), "gates": gates},
        "space": {
            "id": bundle.contract.space,
            "teacher": str(bundle.provenance.get("teacher", "unknown")),
            "contract_digest": bundle.contract.digest,
        },
        "artifacts": [_artifact(name, file, artifact, card, check)],
        "latency": {
            "machine": _machine(card),
            "artifacts": check.latency,
            **({"power": check.power} if check.power else {}),
        },
        "provenance": {"versions": _versions(card), "engine": card.to_json()},
    }


def _artifact(
    name: str, file: str, artifact: Artifact, card: EngineCard, check: EngineCheck
) -> dict[str, Any]:
    parity = check.parity
    return {
        "name": name,
        "file": file,
        "bytes": card.plan_bytes,
        "sha256": card.plan_sha256,
        "precision": card.precision,
        "opset": artifact.opset,
        "provider": check.provider,
        "note": f"engine of {artifact.file}; cosine to that graph on ONNX Runtime:"
        f" mean {parity.mean:.5f}, p1 {parity.p1:.5f}, lowest {parity.minimum:.5f} of"
        f" {parity.count}",
    }


def _gate(name: str, check: EngineCheck) -> dict[str, Any]:
    return {
        "name": f"engine parity {name}",
        "what": "lowest cosine between the engine and its ONNX graph",
        "value": check.parity.minimum,
        "bound": check.bound,
        "direction": "min",
        "passed": check.passed,
    }


def _machine(card: EngineCard) -> dict[str, Any]:
    board, mode = jetson(), power_mode()
    return {
        **machine().to_json(),
        "name": board.model if board else card.device,
        "gpu": card.device,
        **({"jetson": board.to_json()} if board else {}),
        **({"power_mode": mode} if mode else {}),
    }


def _versions(card: EngineCard) -> dict[str, str]:
    driver = cuda_driver()
    return {
        "embedge": __version__,
        "python": platform.python_version(),
        "tensorrt": card.tensorrt,
        "driver": card.driver,
        "cuda": driver.cuda_text,
    }
