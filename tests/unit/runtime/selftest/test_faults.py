"""Every fault, on every runtime, in three networks: seen always, named nearly always."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest
from healthy_encoders import (
    ONE_POOL,
    RUNTIMES,
    Embedder,
    artifact_of,
    converted_here,
    healthy,
    in_batches,
    random_embedder,
    runner,
)
from sick_encoders import flushing, sick_ones

from embedge.runtime.selftest.asking import Align, Embed, aligned_to
from embedge.runtime.selftest.golden import Golden
from embedge.runtime.selftest.result import SelfTest
from embedge.runtime.selftest.selftest import self_test
from embedge.train.models.mobilefacenet import Activation

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
NETWORKS: dict[int, Activation] = {1: "prelu", 2: "relu", 3: "relu6"}
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
CHILD = Path(__file__).parents[3] / "support" / "selftest_child.py"
NAMED = 0.9
PROCESSOR = Path("/proc/cpuinfo")
VNNI = PROCESSOR.exists() and "vnni" in PROCESSOR.read_text()
seeds = pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))]
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Embedder]:
    folder = tmp_path_factory.mktemp("networks")
    return lru_cache(lambda seed: random_embedder(folder / str(seed), seed, NETWORKS[seed]))


def asked(
    who: Embedder,
    runtime: str,
    embed: Embed,
    align: Align | None = None,
    golden: Golden | None = None,
) -> SelfTest:
    product_own = aligned_to(who.contract.template, who.contract.size)
    return self_test(embed, golden or who.golden, artifact_of(runtime), align=align or product_own)


@seeds
def test_every_fault_is_seen_and_nearly_every_one_named(
    network: Callable[[int], Embedder], seed: int
) -> None:
    who = network(seed)
    unseen, unnamed, total = [], [], 0
    for runtime in RUNTIMES:
        for name, sick in sick_ones(who, runtime):
            found = asked(who, runtime, sick.embed, sick.align)
            total += 1
            unseen += [(runtime, name)] if found.passed else []
            named = {finding.fault for finding in found.findings} & sick.names
            unnamed += [] if named else [(runtime, name, found.findings)]
    assert unseen == []
    assert len(unnamed) <= (1 - NAMED) * total, unnamed
    assert total >= 4 * 20


@pytest.mark.parametrize(
    "turned", [lambda rows: rows[::-1], lambda rows: rows[:1].repeat(len(rows), 0)]
)
@pytest.mark.parametrize("most", [5, 12])
def test_a_batch_that_is_mixed_up_only_where_it_is_large(
    network: Callable[[int], Embedder], most: int, turned: Callable[[np.ndarray], np.ndarray]
) -> None:
    """As large as encoders send them."""
    who = network(1)
    well = healthy(runner(who.graph("fp32"), "fp32"), who.contract)
    found = asked(
        who, "fp32", lambda crops: (turned if len(crops) > most else np.array)(well(crops))
    )
    assert [finding.fault for finding in found.findings] == ["mix-up"]


@pytest.mark.slow
def test_the_same_where_it_was_converted_for_executorch(
    network: Callable[[int], Embedder],
) -> None:
    if not set(ONE_POOL) <= set(converted_here()):
        pytest.skip("pip install 'embedge[executorch]'")
    who = network(2).converted(ONE_POOL)
    faults = [(runtime, *one) for runtime in ONE_POOL for one in sick_ones(who, runtime)]
    found = [(*one, asked(who, one[0], one[2].embed, one[2].align)) for one in faults]
    assert [(runtime, name) for runtime, name, _, told in found if told.passed] == []
    named = [
        bool({finding.fault for finding in told.findings} & sick.names)
        for _, _, sick, told in found
    ]
    assert len(named) == 2 * 21
    assert sum(named) >= NAMED * len(named)


@seeds
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_denormal_numbers_that_a_runtime_drops(
    network: Callable[[int], Embedder], seed: int, runtime: str
) -> None:
    who = network(seed)
    golden, well, sick = flushing(who, runtime)
    if runtime != "openvino":  # it drops them whether it is asked to or not
        assert asked(who, runtime, well, golden=golden).findings == ()
    found = asked(who, runtime, sick, golden=golden)
    assert [finding.fault for finding in found.findings] == ["denormal-flush"]


def healthy_ways(who: Embedder, runtime: str) -> Iterator[tuple[object, Embed]]:
    """The right answers by other roads: threads, batches, fusions, instruction sets."""
    model = who.graph(runtime)
    levels = LEVELS if runtime != "openvino" else LEVELS[-1:]
    for threads, level, careful in product((1, 2, 3, 4), levels, (False, True)):
        run = runner(model, runtime, threads=threads, level=level, careful=careful)
        embed = healthy(run, who.contract)
        for batch in (None, 1, 4, 7):
            yield (
                (threads, level, careful, batch),
                embed if batch is None else in_batches(embed, batch),
            )


@pytest.mark.parametrize(
    ("seed", "step"), [(1, 11), *(pytest.param(n, 1, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_no_alarm_in_health(network: Callable[[int], Embedder], seed: int, step: int) -> None:
    """A thousand ways with --slow, every eleventh of one network's without."""
    who = network(seed)
    alarms, runs = [], 0
    for runtime in RUNTIMES:
        for way, embed in islice(healthy_ways(who, runtime), None, None, step):
            found = asked(who, runtime, embed)
            runs += 1
            alarms += [] if found.passed else [(runtime, way, found.findings)]
    assert alarms == []
    assert 3 * runs * step >= 1_000


def on_another_processor(who: Embedder, folder: Path, instructions: str, artifact: str) -> str:
    """OpenVINO lets itself be told which instructions it may use."""
    (folder / "golden.bin").write_bytes(who.golden.to_bytes())
    done = subprocess.run(
        [sys.executable, CHILD, folder / "golden.bin", f"{artifact}={who.graphs[artifact]}"],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": instructions},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("instructions", ["SSE41", "AVX2", "AVX512_CORE"])
def test_no_alarm_for_float_on_another_processor(
    network: Callable[[int], Embedder], tmp_path: Path, instructions: str
) -> None:
    assert on_another_processor(network(1), tmp_path, instructions, "fp32") == "fp32 passed\n"


@pytest.mark.skipif(not VNNI, reason="this processor saturates by itself")
def test_sums_that_saturate_without_vnni_are_a_true_alarm(
    network: Callable[[int], Embedder], tmp_path: Path
) -> None:
    assert "fault='inexact'" in on_another_processor(network(1), tmp_path, "AVX2", "int8-cpu")
