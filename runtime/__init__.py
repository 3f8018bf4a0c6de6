"""The device runtime: numpy, onnxruntime, pillow (and cryptography for galleries), nothing else."""

import os

# onnxruntime reads this once, at import: it must be set before anybody imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
