"""A small network with everything a face network has, and pictures to try it on."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from tiny_bundles import tiny_threshold
from torch import nn

from embedge.export.golden import golden_from_graphs
from embedge.export.student import onnx_from_student
from embedge.runtime.bundle.bundle import Artifact
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.selftest.golden import GOLDEN

SIZE, DIM = 112, 16
CONTRACT = EmbeddingContract(space="s" * 64, model="m" * 64, dim=DIM)


class SmallFace(nn.Module):
    """Stem, pairwise-grouped convolution, inverted residual, global depthwise, embedding."""

    def __init__(self, activation: str = "prelu") -> None:
        super().__init__()

        def block(
            inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
        ) -> nn.Module:
            conv = nn.Conv2d(
                inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
            )
            return nn.Sequential(conv, nn.BatchNorm2d(outputs))

        def act(channels: int) -> nn.Module:
            kinds = {"prelu": nn.PReLU(channels), "relu": nn.ReLU(), "relu6": nn.ReLU6()}
            return kinds[activation]

        self.stem = nn.Sequential(
            block(3, 16, 3, 4), act(16), block(16, 16, 3, 1, 8), act(16), block(16, 16, 1)
        )
        self.inner = nn.Sequential(
            block(16, 32, 1), act(32), block(32, 32, 3, 1, 32), act(32), block(32, 16, 1)
        )
        self.pool = nn.Sequential(nn.Conv2d(16, 16, 28, groups=16, bias=False), nn.BatchNorm2d(16))
        self.embed = nn.Sequential(nn.Linear(16, DIM, bias=False), nn.BatchNorm1d(DIM))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        return self.embed(self.pool(x + self.inner(x)).flatten(1))


def small_face(activation: str = "prelu", seed: int = 0) -> SmallFace:
    """Random weights, batch norms that have seen data, slopes on both sides of one."""
    torch.manual_seed(seed)
    net = SmallFace(activation)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, -0.3, 1.4)
    with torch.no_grad():
        for _ in range(20):
            net(torch.rand(8, 3, SIZE, SIZE) * 2 - 1)
    return net.eval()


def small_bundle(
    folder: Path, activation: str = "prelu", *, golden: NDArray[np.uint8] | None = None
) -> Path:
    """Its float graph at a threshold of 0.4; with `golden` pictures it proves itself on them."""
    contract, graph = EmbeddingContract("s", "m", DIM), folder / "s.onnx"
    onnx_from_student(small_face(activation), contract, graph)
    files: dict[str, Path | bytes] = {"student.fp32.onnx": graph}
    if golden is not None:
        files[GOLDEN] = golden_from_graphs({"fp32": graph}, contract, golden)
    return write_bundle(
        folder / "small.embedge",
        name="small",
        contract=contract,
        artifacts=[Artifact("fp32", "student.fp32.onnx", "fp32", 17, tiny_threshold(0.4))],
        files=files,
        provenance={},
        default_artifact="fp32",
    )


def embed(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    tensor = ((pictures.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    return session.run(None, {session.get_inputs()[0].name: tensor})[0]


def smooth_pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random pictures whose neighbouring pixels agree, as in photographs."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (count, 3, 7, 7)).astype(np.float32)
    smooth = nn.functional.interpolate(torch.from_numpy(coarse), (SIZE, SIZE), mode="bicubic")
    return smooth.clamp(0, 255).numpy().astype(np.uint8).transpose(0, 2, 3, 1)
