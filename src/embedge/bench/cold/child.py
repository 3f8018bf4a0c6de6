"""The fresh process of a cold start: `python -m embedge.bench.cold.child QUESTION`."""

import json
import sys
import time
from typing import Any


def main(question: dict[str, Any], pixels: bytes) -> dict[str, Any]:
    """Import, load, embed once; only what a device would import is imported before the clock."""
    marks = [time.monotonic()]
    _import_runtime()
    marks.append(time.monotonic())
    encoder = _encoder(question["source"], question["artifact"])
    marks.append(time.monotonic())
    _embed(encoder, pixels, question["shape"])
    marks.append(time.monotonic())
    from embedge.bench.machine.facts import peak_rss_bytes, thread_count

    return {
        "interpreter_s": marks[0] - question["asked_at"],
        "import_s": marks[1] - marks[0],
        "load_s": marks[2] - marks[1],
        "first_s": marks[3] - marks[2],
        "total_s": marks[3] - question["asked_at"],
        "peak_rss_bytes": peak_rss_bytes(),
        "threads": thread_count(),
        "provider": encoder.provider,
    }


def _import_runtime() -> None:
    import onnxruntime  # noqa: F401

    import embedge.runtime.bundle.bundle
    import embedge.runtime.encoders.ort
    import embedge.runtime.matcher  # noqa: F401


def _encoder(source: str, artifact: str | None) -> Any:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.encoders.bundled import encoder_from_bundle
    from embedge.runtime.encoders.ort import OrtEncoder

    if source.endswith(".onnx"):
        return OrtEncoder(source)
    with Bundle.open(source) as bundle:
        return encoder_from_bundle(bundle, artifact)


def _embed(encoder: Any, pixels: bytes, shape: list[int]) -> None:
    import numpy as np

    encoder.embed(np.frombuffer(pixels, np.uint8).reshape(1, *shape))


if __name__ == "__main__":
    from embedge.errors import EmbedgeError

    asked = json.loads(sys.argv[1])
    try:
        print(json.dumps(main(asked, sys.stdin.buffer.read())))
    except EmbedgeError as error:
        sys.exit(str(error))
