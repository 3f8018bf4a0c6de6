"""A device that computes on the CPU and yet is another one.

Its tensors hold ordinary ones. An operation that mixes devices raises as on a GPU, a transfer is
one only where somebody asked for it, and each time that the host waits for a value is counted.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["PRETEND", "Held", "asked_in_steps", "crossings", "transfers", "waits"]

_aten = torch.ops.aten
_READS = {
    _aten._local_scalar_dense.default,
    _aten.equal.default,
    *(_aten.nonzero.default, _aten.masked_select.default),
    *(_aten._unique2.default, _aten.unique_dim.default, _aten.unique_consecutive.default),
    *(_aten.repeat_interleave.Tensor, _aten.bincount.default),
}
_COPIES = {_aten._to_copy.default, _aten.copy_.default, _aten._foreach_copy_.default}

waits: Counter[str] = Counter()
"""What the host waited for: values read from the device."""
transfers: Counter[str] = Counter()
"""Bytes that crossed, by direction."""
crossings: Counter[str] = Counter()
"""How often something crossed, by direction."""


def asked_in_steps(monkeypatch: Any) -> list[Counter[str]]:
    """Filled by every step of a training: what crossed in it, and what the host waited for."""
    from embedge.train.loop import training

    steps: list[Counter[str]] = []
    take = training._Training.step

    def counted(self: Any, batch: Any) -> None:
        before = waits + crossings
        take(self, batch)
        steps.append(waits + crossings - before)

    monkeypatch.setattr(training._Training, "step", counted)
    return steps


class Held(Tensor):
    """A tensor of the pretended device."""

    held: Tensor

    @staticmethod
    def __new__(cls: type["Held"], held: Tensor) -> "Held":
        made: Held = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=PRETEND,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, op: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if op._can_decompose():  # without gradients torch hands over what it is made of
            found = op.decompose(*args, **(kwargs or {}))
            if found is not NotImplemented:
                return found
        return _answer(op, *args, **(kwargs or {}))


def _answer(op: Any, *args: Any, **kwargs: Any) -> Any:
    given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    if op in _COPIES:
        _count_crossing(op, args, kwargs)
    else:
        _refuse_mixture(op, given)
    if op in _READS:
        waits[str(op)] += 1
    there = torch.device(kwargs.get("device") or PRETEND).type == PRETEND.type
    bare, named = tree_map(_bare, (args, {**kwargs}))
    if named.get("device") is not None:
        named["device"] = torch.device("cpu")
    named.pop("pin_memory", None)
    found = op(*bare, **named)
    changed = {id(_bare(one)): one for one in given}
    wrap = there or op not in _COPIES
    return tree_map(lambda one: _dressed(one, changed, wrap), found)


def _bare(one: Any) -> Any:
    return one.held if isinstance(one, Held) else one


def _dressed(one: Any, changed: dict[int, Tensor], wrap: bool) -> Any:
    """An argument that was changed in place is itself again; what is new lives on the device."""
    if not isinstance(one, Tensor):
        return one
    if id(one) in changed:
        return changed[id(one)]
    return Held(one) if wrap else one


def _refuse_mixture(op: Any, given: list[Tensor]) -> None:
    devices = {"pretend" if isinstance(one, Held) else "cpu" for one in given if one.dim()}
    if len(devices) > 1:
        raise RuntimeError(f"{op}: expected all tensors to be on the same device")


def _count_crossing(op: Any, args: Any, kwargs: Any) -> None:
    if op is _aten._to_copy.default:
        target = kwargs.get("device")
        source, leaves = args[0], target is not None and torch.device(target).type == "cpu"
        if leaves and isinstance(source, Held):
            _note("to the host", source)
        return
    into, out = (args[0], args[1])
    pairs = zip(into, out) if isinstance(into, list) else [(into, out)]
    for target, source in pairs:
        if isinstance(target, Held) and not isinstance(source, Held):
            _note("to the device", source)
        elif isinstance(source, Held) and not isinstance(target, Held):
            _note("to the host", source)


def _note(direction: str, source: Tensor) -> None:
    transfers[direction] += source.nbytes
    crossings[direction] += 1


class _Module(backend_registration._DummyBackendModule):
    """What torch asks of a device: how many there are, and the state of its random numbers."""

    def device_count(self) -> int:
        return 1

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        """Nothing is drawn on this device."""


backend_registration._setup_privateuseone_for_python_backend("pretend", _Module())
PRETEND = torch.device("pretend", 0)
_kernels = torch.library.Library("_", "IMPL")
_kernels.fallback(_answer, "PrivateUse1")
