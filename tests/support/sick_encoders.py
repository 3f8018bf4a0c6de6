"""Encoders with one fault each, made the way the field makes them."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from healthy_encoders import Embedder, Run, artifact_of, healthy, runner
from sick_graphs import collapsed, shuffled, tapped, with_denormal_tail

from embedge.export.golden import golden_from_graphs
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops, unit_rows
from embedge.runtime.selftest.asking import Align, Embed, aligned_to
from embedge.runtime.selftest.golden import Golden

__all__ = ["Sick", "flushing", "sick_ones"]


@dataclass(frozen=True)
class Sick:
    """What is asked, and the names under which its fault may be found."""

    names: frozenset[str]
    embed: Embed
    align: Align | None = None


def sick_ones(who: Embedder, runtime: str) -> Iterator[tuple[str, Sick]]:
    """Each fault by a name of its own."""
    contract, model = who.contract, who.graph(runtime)
    run = runner(model, runtime)
    well = healthy(run, contract)
    mean, std = (
        np.reshape(np.asarray(v, np.float32), (-1, 1, 1)) for v in (contract.mean, contract.std)
    )

    def fed(change: Callable[[np.ndarray], np.ndarray], network: Run = run) -> Embed:
        def embed(crops: np.ndarray) -> np.ndarray:
            tensor = np.ascontiguousarray(change(tensor_from_crops(crops, contract)), np.float32)
            return unit_rows(network(tensor).astype(np.float32))

        return embed

    swapped = replace(contract, colour="BGR" if contract.colour == "RGB" else "RGB")
    yield "BGR", Sick(frozenset({"colour-order"}), healthy(run, swapped))
    twice = {"double-normalisation"}
    yield "normalised twice", Sick(frozenset(twice), fed(lambda x: (x - mean) / std))
    missing = {"missing-normalisation"}
    yield "not normalised", Sick(frozenset(missing), fed(lambda x: x * std + mean))
    yield (
        "NHWC",
        Sick(frozenset({"layout"}), fed(lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape))),
    )
    for across, down in ((4, 0), (-4, 0), (0, -4), (4, 4), (-4, 4)):
        embed = _shifted(well, across, down)
        yield f"shift {across},{down}", Sick(frozenset({"shift"}), embed)
    for name, points in _templates(contract).items():
        sick = Sick(frozenset({"template"}), well, aligned_to(points, contract.size))
        yield f"template {name}", sick
    dead = runner(collapsed(model), runtime)
    yield "collapse", Sick(frozenset({"collapse"}), healthy(dead, contract))
    # of a real network there is no other of its shape
    another = replace(who, graphs=who.others).graph(runtime) if who.others else shuffled(model)
    other = runner(another, runtime)
    yield "another network", Sick(frozenset({"stale-weights"}), healthy(other, contract))
    yield (
        "another output",
        Sick(
            frozenset({"wrong-output"}),
            healthy(runner(tapped(model), runtime), contract),
        ),
    )
    yield (
        "unnormalised",
        Sick(frozenset({"unnormalised"}), lambda crops: run(tensor_from_crops(crops, contract))),
    )
    mixed = frozenset({"mix-up"})
    yield "rows turned", Sick(mixed, lambda crops: np.roll(well(crops), 1, axis=0))
    yield "first row for all", Sick(mixed, lambda crops: well(crops)[:1].repeat(len(crops), 0))
    yield "threads share a buffer", Sick(mixed, _racing(well))
    ranges = frozenset({"colour-range"})
    yield "0 to 1", Sick(ranges, fed(lambda x: (x * std + mean) / 255))
    yield "video range", Sick(ranges, _through_video(well))


def flushing(who: Embedder, runtime: str) -> tuple[Golden, Embed, Embed]:
    """(golden, healthy, sick): a network with denormal weights, on a runtime that drops them."""
    model = with_denormal_tail(who.graph(runtime), who.contract.dim)
    path = who.graphs["fp16"].parent / f"denormal-{runtime}.onnx"
    path.write_bytes(model)
    artifact = artifact_of(runtime)
    golden = golden_from_graphs({artifact: path}, who.contract, who.golden.faces)
    well = healthy(runner(model, runtime), who.contract)
    return Golden.parsed(golden), well, _in_a_thread_of_its_own(model, runtime, who.contract)


def _in_a_thread_of_its_own(model: bytes, runtime: str, contract: EmbeddingContract) -> Embed:
    """A session that flushes sets the mode of the thread it runs in, and leaves it set."""

    def embed(crops: np.ndarray) -> np.ndarray:
        found: list[np.ndarray] = []

        def work() -> None:
            run = runner(model, runtime, flush=True)
            found.append(healthy(run, contract)(crops))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0]

    return embed


def _shifted(embed: Embed, across: int, down: int) -> Embed:
    """Cut beside the face: black where the camera saw nothing."""

    def moved(crops: np.ndarray) -> np.ndarray:
        size = crops.shape[1]
        wide = np.pad(crops, ((0, 0), (8, 8), (8, 8), (0, 0)))
        return wide[:, 8 - down : 8 - down + size, 8 - across : 8 - across + size]

    return lambda crops: embed(np.ascontiguousarray(moved(crops)))


def _templates(contract: EmbeddingContract) -> dict[str, np.ndarray]:
    points = np.asarray(contract.template)
    return {
        "of 96 by 112": np.subtract(points, [8, 0]),
        "of 128 pixels": np.add(points, [8, 0]) * contract.size / 128,
        "with more of the head": (points - points.mean(axis=0)) * 0.8 + points.mean(axis=0),
    }


def _through_video(embed: Embed) -> Embed:
    """Decoded as if black were 0 and white 255, though the camera wrote 16 to 235."""
    return lambda crops: embed(np.rint(crops * (219 / 255) + 16).astype(np.uint8))


def _racing(embed: Embed) -> Embed:
    """One input tensor for all: whoever writes last is answered to everybody."""
    shared: dict[str, np.ndarray] = {}

    def raced(crops: np.ndarray) -> np.ndarray:
        shared["input"] = crops
        time.sleep(0.002)
        return embed(shared["input"])

    return raced
