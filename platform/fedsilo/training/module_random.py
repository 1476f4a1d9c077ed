"""Draws of modules, which torch makes from its global generators, derived from a seed instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DROPOUTS = frozenset({functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d})
"""Draws that are factors on what they read."""


@contextmanager
def drawing_from(seed: int, device: str = "cpu") -> Iterator[None]:
    """Has torch's global generators, which dropout draws from, begin at a seed inside the block, and puts them back."""
    generators = _generators(device)
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def rewinder(device: str) -> Callable[[], None]:
    """Returns a function that puts torch's global generators back to where they are now, for the same draws again."""
    generators = _generators(device)
    before = [generator.get_state() for generator in generators]

    def rewind() -> None:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)

    return rewind


class OneDraw(TorchFunctionMode):
    """Has dropout draw once for all examples of a batch (b, ...): each gets the mask that it would get alone.

    So a gradient of an example does not depend on the other examples of its batch.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Returns what a function of torch returns, for the dropouts with one draw."""
        if func not in DROPOUTS:
            return func(*args, **(kwargs or {}))
        return _dropped(func, *args, **(kwargs or {}))


class OtherDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes draws.

    Attributes:
        seen: Whether there was one.
    """

    seen = False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Returns what an operator of torch returns."""
        self.seen = self.seen or torch.Tag.nondeterministic_seeded in func.tags
        return func(*args, **(kwargs or {}))


@contextmanager
def watch_other_draws() -> Iterator[OtherDraws]:
    """Leaves dropout out inside the block, and yields what notes whether anything else is drawn there."""
    watch = OtherDraws()  # type: ignore[no-untyped-call]
    with _NoDropout(), watch:
        yield watch


class _NoDropout(TorchFunctionMode):
    """Leaves dropout out."""

    def __torch_function__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _passed(*args, **(kwargs or {})) if func in DROPOUTS else func(*args, **(kwargs or {}))


def _passed(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return input


def _dropped(func: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    factors: Tensor = func(torch.ones_like(input[:1]), p, training)
    return input * factors


def _generators(device: str) -> list[torch.Generator]:
    generators = [torch.default_generator]
    if device.startswith("cuda"):
        generators.append(torch.cuda.default_generators[torch.device(device).index or 0])
    return generators
