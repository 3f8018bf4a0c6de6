"""A small vision transformer, which knows no convolution but the first."""

from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from torch import nn


class TinyViT(nn.Module):
    """Patches, a class token, two blocks of attention, an embedding."""

    def __init__(self, width: int = 64, dim: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(torch.randn(1, 50, width) * 0.1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.embed = nn.Linear(width, dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.embed(self.norm(x)[:, 0])


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        parts = self.qkv(self.first(x)).reshape(n, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        seen = (q @ k.transpose(-2, -1) / (width // 4) ** 0.5).softmax(-1) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(n, tokens, width))
        return x + self.narrow(nn.functional.gelu(self.wide(self.second(x))))


def tiny_vit(path: Path, *, free: bool) -> ModelProto:
    torch.manual_seed(0)
    axes = {"image": {0: "batch"}, "embedding": {0: "batch"}} if free else None
    torch.onnx.export(
        TinyViT().eval(),
        (torch.zeros(2 if free else 1, 3, 112, 112),),
        str(path),
        input_names=["image"],
        output_names=["embedding"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
        external_data=False,
    )
    return onnx.load(path)
