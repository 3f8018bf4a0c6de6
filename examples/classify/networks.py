"""Backbones by import path, and the size of what they answer."""

import importlib
from typing import Any

import torch
from torch import nn

from embedge.errors import EmbedgeError

__all__ = ["backbone_from_path", "feature_size"]


def backbone_from_path(path: str, **arguments: Any) -> nn.Module:
    """`package.module:callable` called with `arguments`; it must give a torch module."""
    module, colon, name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(**arguments)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise _no_backbone(path, str(error)) from error
    if not colon or not isinstance(made, nn.Module):
        raise _no_backbone(path, f"it gives {type(made).__name__}, not a torch module")
    return made


def feature_size(backbone: nn.Module, shape: tuple[int, ...]) -> int:
    """How many features it gives for one picture of `shape`."""
    training = backbone.training
    with torch.inference_mode():
        features = backbone.eval()(torch.zeros(2, *shape))
    backbone.train(training)
    if features.ndim != 2:
        raise EmbedgeError(
            "E-BACKBONE",
            f"the backbone answers with shape {tuple(features.shape)}, expected (N, features)",
            remedy="Leave out its classifier and flatten what comes before",
        )
    return int(features.shape[1])


def _no_backbone(path: str, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BACKBONE",
        f"no backbone at '{path}': {why}",
        remedy="Write package.module:callable, where the callable returns a torch module",
    )
