"""What CUDA says when it fails -> one of three errors with a remedy."""

import re

from embedge.errors import EmbedgeError

__all__ = ["CudaFailure", "cuda_failure"]

# After these the context is dead: every later call fails too, until the encoder is opened again.
_LOST = (
    r"illegal|launch fail|launch timed out|misaligned|uncorrectable|hardware stack|device is lost"
    r"|unavailable|assert|context is destroyed|unknown error"
)


class CudaFailure(EmbedgeError):
    """`lost` means that the device context is unusable and the encoder must be opened again."""

    lost = False


class CudaLost(CudaFailure):
    lost = True


def cuda_failure(call: str, reason: str) -> CudaFailure:
    """`reason` is the driver's own text, the same words whichever layer reports it."""
    if "out of memory" in reason:
        return CudaFailure(
            "E-CUDA-MEMORY",
            f"the GPU has no memory left ({call}: {reason})",
            remedy="Close other programs or encoders, lower --contexts, or build the engine with a"
            " smaller largest batch",
        )
    if re.search(_LOST, reason, re.IGNORECASE):
        return CudaLost(
            "E-CUDA-LOST",
            f"the GPU stopped working ({call}: {reason})",
            remedy="Close this encoder and load it again, or restart the program if that fails"
            " too; dmesg shows the cause as an Xid message",
        )
    return CudaFailure(
        "E-CUDA",
        f"a CUDA call failed ({call}: {reason})",
        remedy="Run embedge doctor: driver and packages may not fit together",
    )
