"""Random draws of modules in per-example gradients: the same for every example, left out, noted or repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fedsilo.core.seeds import global_generators

DROPOUTS = frozenset({functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d})
"""Functions that multiply their input by random factors."""


def make_rewinder(device: str) -> Callable[[], None]:
    """Remembers the state of torch's global generators.

    Args:
        device: Device whose generator is remembered besides the CPU's.

    Returns:
        A function that restores that state, so that the same draws follow.
    """
    generators = global_generators(device)
    before = [generator.get_state() for generator in generators]

    def rewind() -> None:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)

    return rewind


class OneDraw(TorchFunctionMode):
    """Makes dropout draw once for all examples of a batch (b, ...): each gets the mask that it would get alone.

    So a gradient of an example does not depend on the other examples of its batch.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls a function of torch; dropouts draw once for all examples."""
        if func not in DROPOUTS:
            return func(*args, **(kwargs or {}))
        return _drop_alike(func, *args, **(kwargs or {}))


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
        return _keep_input(*args, **(kwargs or {})) if func in DROPOUTS else func(*args, **(kwargs or {}))


def _keep_input(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return input


def _drop_alike(func: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    factors: Tensor = func(torch.ones_like(input[:1]), p, training)
    return input * factors
