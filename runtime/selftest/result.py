"""What a self-test found: each fault by its name, with what speaks for it."""

from dataclasses import dataclass
from typing import Any, Literal

from embedge.errors import EmbedgeError

__all__ = ["Fault", "SelfTest", "Symptom"]

Fault = Literal[
    "colour-order",
    "double-normalisation",
    "missing-normalisation",
    "colour-range",
    "layout",
    "shift",
    "template",
    "collapse",
    "denormal-flush",
    "stale-weights",
    "wrong-output",
    "unnormalised",
    "mix-up",
    "inexact",
]
_REMEDIES: dict[Fault, str] = {
    "colour-order": "Give the channels in the contract's colour order",
    "double-normalisation": "Take mean and scale off once: on the host or in the model, not both",
    "missing-normalisation": "Take the contract's mean and scale off the pixels",
    "colour-range": "Give full-range pixels, 0 to 255",
    "layout": "Give the planes in the order the model was built for",
    "shift": "Cut the crop at the contract's template, not beside it",
    "template": "Align to the contract's five points",
    "collapse": "Check mean and scale; then use a wider precision, or calibrate again on faces",
    "denormal-flush": "Let the runtime keep denormal numbers, or use another artifact",
    "stale-weights": "Convert the model of this bundle again for this runtime",
    "wrong-output": "Read the output that the bundle's model calls its embedding",
    "unnormalised": "Divide each row by its length",
    "mix-up": "Give each call its own buffers, and each row of a batch its own answer",
    "inexact": "Compare the tensor that the model gets with the contract's, and the model's file",
}
_NARROW = "; or use a wider precision: INT8 on x86 without VNNI needs weights of 7 bits"


@dataclass(frozen=True, slots=True)
class Symptom:
    fault: Fault
    evidence: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """`cosine` is the lowest to the golden vectors, `nearest` the least that is right."""

    artifact: str
    provider: str
    findings: tuple[Symptom, ...]
    cosine: float | None
    nearest: float
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        return {
            "artifact": self.artifact,
            "provider": self.provider,
            "passed": self.passed,
            "findings": [{"fault": f.fault, "evidence": f.evidence} for f in self.findings],
            "cosine": self.cosine,
            "nearest": self.nearest,
            "seconds": round(self.seconds, 3),
        }

    def require(self) -> None:
        """Refuse to go on with an encoder that does not answer as its bundle was made to."""
        if self.passed:
            return
        told = "; ".join(f"{one.fault} ({one.evidence})" for one in self.findings)
        raise EmbedgeError(
            "E-SELFTEST",
            f"{self.artifact} on {self.provider} does not answer as its bundle says: {told}",
            remedy=self.remedy,
        )

    @property
    def remedy(self) -> str:
        """What mends the first fault."""
        first = self.findings[0].fault
        narrow = first == "inexact" and "int8" in self.artifact
        return _REMEDIES[first] + (_NARROW if narrow else "")
