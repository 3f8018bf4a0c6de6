"""A program in CoreML's intermediate language, computed in torch: what face networks take of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from embedge.errors import EmbedgeError

__all__ = ["answers_of"]

Values = dict[str, Any]


def answers_of(main: Any, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of a function with one input and one output; constants are widened to 32 bits."""
    (source,), (result,) = main.inputs, main.outputs
    known: Values = {source: torch.from_numpy(np.ascontiguousarray(picture))}
    with torch.no_grad():
        for step in main.operations:
            (output,) = step.outputs
            known[output.name] = _value(step, output, known)
    return np.asarray(known[result.name].numpy(), np.float32)


def _value(step: Any, output: Any, known: Values) -> Any:
    if output.val is not None:
        return _widened(output.val)
    if step.op_type not in _OPERATORS:
        raise EmbedgeError(
            "E-TARGET",
            f"the package cannot be checked: {step.name} is {step.op_type}",
            remedy="Convert the float graph of a student; other operators need another target",
        )
    given = {key: _given(var, known) for key, var in step.inputs.items() if var is not None}
    found: Tensor = _OPERATORS[step.op_type](**given)
    if tuple(found.shape) != tuple(output.shape):
        raise EmbedgeError(
            "E-TARGET",
            f"{step.name} gives {tuple(found.shape)}, its program says {tuple(output.shape)}",
            remedy="Use the version of coremltools that docs/targets.md names",
        )
    return found


def _given(var: Any, known: Values) -> Any:
    if isinstance(var, (tuple, list)):
        return [_given(one, known) for one in var]
    return known[var.name]


def _widened(value: Any) -> Any:
    """Numbers of an operator stay as they are; arrays of floats become tensors."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return torch.from_numpy(value.astype(np.float32))
    if isinstance(value, np.floating):
        return torch.tensor(float(value))
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _conv(
    x: Tensor,
    weight: Tensor,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    if pad_type == "custom":
        top, bottom, left, right = pad
        x = functional.pad(x, (left, right, top, bottom))
    elif pad_type != "valid":
        raise ValueError(f"a convolution padded as {pad_type}")
    return functional.conv2d(x, weight, bias, strides, 0, dilations, groups)


def _pad(x: Tensor, pad: list[int], mode: str, constant_val: Tensor) -> Tensor:
    sides = [
        side for axis in reversed(range(len(pad) // 2)) for side in pad[2 * axis : 2 * axis + 2]
    ]
    return functional.pad(x, sides, mode, float(constant_val))


def _clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return x.clamp(float(alpha), float(beta))


def _expand(x: Tensor, axes: list[int]) -> Tensor:
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _norm(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, epsilon: Tensor
) -> Tensor:
    return functional.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, y: x + y,
    "batch_norm": _norm,
    "cast": lambda x, **_: x,
    "clip": _clip,
    "conv": _conv,
    "expand_dims": _expand,
    "identity": lambda x: x,
    "linear": lambda x, weight, bias=None: functional.linear(x, weight, bias),
    "matmul": lambda x, y, transpose_x=False, transpose_y=False: torch.matmul(
        x.mT if transpose_x else x, y.mT if transpose_y else y
    ),
    "mul": lambda x, y: x * y,
    "pad": _pad,
    "prelu": lambda x, alpha: functional.prelu(x, alpha),
    "real_div": lambda x, y: x / y,
    "reduce_mean": lambda x, axes, keep_dims: x.mean(axes, keepdim=keep_dims),
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clamp(0, 6),
    "reshape": lambda x, shape: x.reshape(shape),
    "reverse": lambda x, axes: x.flip(axes),
    "squeeze": lambda x, axes: x.squeeze(tuple(axes)),
    "sub": lambda x, y: x - y,
    "transpose": lambda x, perm: x.permute(perm),
}
