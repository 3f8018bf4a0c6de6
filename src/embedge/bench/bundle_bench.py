"""Everything `embedge bench` measures of one bundle on one machine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from embedge.bench.artifacts import encoder_latency, one_by_one
from embedge.bench.cold.start import cold_start
from embedge.bench.core import timed
from embedge.bench.machine.energy import EnergyMeter, energy_per_call
from embedge.bench.machine.facts import machine, peak_rss_bytes
from embedge.bench.machine.pressure import LoadMeter
from embedge.bench.results import ArtifactLatency, Latency, Scenario
from embedge.bench.scenarios import Outcome, multi_stream, offline, server, sustained
from embedge.bench.waterfall import Query, verification_waterfall
from embedge.runtime.encoders import Encoder
from embedge.runtime.picture.images import RgbImage

__all__ = ["BenchOptions", "bundle_latency"]

OpenEncoder = Callable[[str, int], Encoder]


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure. `seconds` is the time of one measurement, not of all."""

    artifacts: tuple[str, ...]
    threads: tuple[int, ...]
    scenarios: tuple[str, ...]
    batches: tuple[int, ...]
    streams: tuple[int, ...]
    seconds: float
    sustained_seconds: float
    loads: tuple[float, ...] = (0.5, 0.8)


def bundle_latency(
    source: Path,
    options: BenchOptions,
    open_encoder: OpenEncoder,
    *,
    crops: RgbImage,
    queries: Sequence[tuple[Query, Query]],
    tell: Callable[[str], None] = lambda _: None,
) -> Latency:
    """The report's latency section; the first artifact of the options stands for the device."""
    meter = LoadMeter()
    rows: tuple[ArtifactLatency, ...] = ()
    with ExitStack() as stack:
        encoders = [
            (name, count, stack.enter_context(open_encoder(name, count)))
            for name in options.artifacts
            for count in options.threads
        ]
        if "single-stream" in options.scenarios:
            tell(f"single-stream: {len(encoders)} encoders, interleaved")
            rows = encoder_latency(encoders, crops, seconds=options.seconds * len(encoders))
        scenarios = tuple(
            row for opened in encoders for row in _scenario_rows(*opened, crops, options, tell)
        )
        name, _, encoder = encoders[-1]
        tell(f"one verification, end to end, with {name}")
        verify = verification_waterfall(encoder, queries, seconds=options.seconds)
        energy = energy_per_call(
            one_by_one(encoder, crops), seconds=options.seconds, meter=EnergyMeter.found()
        )
    tell("cold start, in fresh processes")
    return Latency(
        machine=machine(),
        artifacts=rows,
        scenarios=scenarios,
        verify=verify,
        verify_artifact=name,
        energy=energy,
        cold_start=cold_start(source, crops[0], artifact=options.artifacts[0]),
        peak_rss_bytes=peak_rss_bytes(),
        pressure=meter.stop().told(),
    )


def _scenario_rows(
    name: str,
    threads: int,
    encoder: Encoder,
    crops: RgbImage,
    options: BenchOptions,
    tell: Callable[[str], None],
) -> Iterator[Scenario]:
    call = one_by_one(encoder, crops)
    for outcome in _outcomes(call, encoder, crops, options):
        tell(f"{outcome.scenario}: {name}, {threads} threads, {outcome.images_per_s:.1f} images/s")
        yield outcome.of(name, threads, encoder.provider)


def _outcomes(
    call: Callable[[int], object], encoder: Encoder, crops: RgbImage, options: BenchOptions
) -> Iterator[Outcome]:
    seconds = options.seconds
    if "multi-stream" in options.scenarios:
        for streams in options.streams:
            yield multi_stream(call, streams=streams, seconds=seconds)
    if "offline" in options.scenarios:
        for batch in options.batches:
            yield offline(_batches(encoder, crops, batch), batch=batch, seconds=seconds)
    if "server" in options.scenarios:
        # how fast one worker can possibly be, to load it with a share of that
        alone = median(timed(call, max(seconds / 4, 0.2)))
        for load in options.loads:
            yield replace(server(call, rate=load * 1e3 / alone, seconds=seconds), load=load)
    if "sustained" in options.scenarios:
        yield sustained(call, seconds=options.sustained_seconds)


def _batches(encoder: Encoder, crops: RgbImage, batch: int) -> Callable[[int], object]:
    many = np.resize(crops, (batch + len(crops), *crops.shape[1:]))
    return lambda i: encoder.embed(many[i % len(crops) : i % len(crops) + batch])
