"""The latency section of a report: every artifact, one verification, one cold start."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedge.bench.artifacts import artifact_latency, thread_counts
from embedge.bench.cold.start import cold_start
from embedge.bench.machine.facts import machine, peak_rss_bytes
from embedge.bench.machine.pressure import LoadMeter
from embedge.bench.results import ArtifactLatency, Latency
from embedge.bench.waterfall import Query, verification_waterfall
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.picture.images import RgbImage

__all__ = ["latency_section"]

_FOR_ARTIFACTS, _FOR_VERIFY = 0.8, 0.2


def latency_section(
    models: Mapping[str, Path],
    *,
    default: Callable[[Sequence[ArtifactLatency]], str],
    crops: RgbImage,
    queries: Sequence[tuple[Query, Query]],
    seconds: float = 25.0,
    threads: Sequence[int] | None = None,
    on_round: Callable[[], object] = lambda: None,
) -> Latency:
    """What `report.json` keeps under `latency`; `default` chooses what a device runs.

    `seconds` bounds the timed part: repeating disturbed rounds may add two fifths to it, and the
    cold starts take three short processes.
    """
    meter = LoadMeter()
    rows = artifact_latency(
        models, crops, seconds=seconds * _FOR_ARTIFACTS, threads=threads, on_round=on_round
    )
    chosen = default(rows)
    with OrtEncoder(models[chosen], threads=max(threads or thread_counts())) as encoder:
        verify = verification_waterfall(encoder, queries, seconds=seconds * _FOR_VERIFY)
    return Latency(
        machine=machine(),
        artifacts=rows,
        verify=verify,
        verify_artifact=chosen,
        cold_start=cold_start(models[chosen], crops[0], artifact=chosen),
        peak_rss_bytes=peak_rss_bytes(),
        pressure=meter.stop().told(),
    )
