"""Rows of a latency table on one thread, of which only the medians matter."""

from embedge.bench.results import ArtifactLatency


def timings(**medians: float) -> list[ArtifactLatency]:
    return [
        ArtifactLatency(
            artifact=name.replace("_", "-"), threads=1, provider="CPU", n=50, p50=ms, max=2 * ms
        )
        for name, ms in medians.items()
    ]
