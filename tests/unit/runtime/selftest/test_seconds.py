"""What the self-test may cost at the first load of a bundle: two seconds, 300 kB."""

import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from healthy_encoders import faces, graphs_of

from embedge.pipeline.golden_file import golden_file
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.selftest import selftest
from embedge.runtime.selftest.golden import Golden
from embedge.train.models.mobilefacenet import mobilefacenet

DIM, WIDTH = 512, 0.5  # of the demo's student
MOST_SECONDS, MOST_BYTES = 2.0, 300_000


@pytest.fixture(scope="module")
def demo_size(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], bytes]:
    torch.manual_seed(0)
    contract = EmbeddingContract("a space", "a model", DIM)
    folder = tmp_path_factory.mktemp("demo") / "graphs"
    graphs = graphs_of(
        _lively(mobilefacenet(DIM, scale=1, width=WIDTH)), contract, folder, faces(16, 90)
    )
    return graphs, golden_file(graphs, contract)


def _lively(net: torch.nn.Module) -> torch.nn.Module:
    """Batch norms that have seen faces, so that answers differ."""
    crops = torch.from_numpy(faces(8, 3).transpose(0, 3, 1, 2).copy()).float()
    with torch.no_grad():
        for _ in range(10):
            net((crops - 127.5) / 127.5)
    return net.eval()


@pytest.mark.parametrize("artifact", ["fp32", "fp16", "int8-cpu"])
def test_it_takes_two_seconds_of_a_core_at_most(
    demo_size: tuple[dict[str, Path], bytes], artifact: str
) -> None:
    """Of a core, not of a clock: whoever else is on it does not count."""
    graphs, written = demo_size
    seconds = []
    for _ in range(3):
        with OrtEncoder(graphs[artifact], threads=1) as encoder:
            begun = time.process_time()
            told = selftest.tested_encoder(encoder, Golden.parsed(written), artifact)
            seconds.append(time.process_time() - begun)
        assert told.passed, told.findings
    print(artifact, np.round(seconds, 3))
    assert median(seconds) <= MOST_SECONDS


def test_its_file_is_small(demo_size: tuple[dict[str, Path], bytes]) -> None:
    assert len(demo_size[1]) <= MOST_BYTES
