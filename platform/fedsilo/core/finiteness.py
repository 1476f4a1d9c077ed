"""Checks that numbers can be computed with, made where they leave one part of the program for another.

A tensor is refused when it holds nan or infinity, and when it is so large that the square of its norm is infinite in
single precision: layer norms and cosines square what they are given, so such a tensor gives scores that are no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import LinAlgError, vector_norm  # type: ignore[attr-defined]

from fedsilo.core.errors import NotFinite

LARGEST_NORM = math.sqrt(torch.finfo(torch.float32).max)
"""Largest L2 norm whose square is a number in single precision, about 1.8e19."""

SMALLEST = torch.finfo(torch.float32).tiny
"""Smallest divisor, about 1.2e-38: below it numbers lose digits in single precision, and soon are 0."""

ORDINARY = 1e-12, 1e4
"""Range of the values that keys of a scenario usually have; the reason of an overflow is looked for outside of it."""


def find_fault(state: Mapping[str, Tensor]) -> str:
    """Describes the first tensor, by name, that cannot be computed with.

    Args:
        state: Tensors by name; only those of floating point numbers are checked.

    Returns:
        The tensor's name and what is wrong with it; "" if nothing is.
    """
    for name in sorted(state):
        if not state[name].is_floating_point():
            continue
        norm = float(_norms(state[name].detach(), None))
        if not norm <= LARGEST_NORM:
            return f"{name!r} {_describe(state[name])}"
    return ""


def require_finite(state: Mapping[str, Tensor], what: str) -> None:
    """Refuses tensors that cannot be computed with.

    Args:
        state: Tensors by name.
        what: What the tensors are, for the message: "the upload".

    Raises:
        NotFinite: A tensor is not finite, or is too large.
    """
    fault = find_fault(state)
    if fault:
        raise NotFinite(f"in {what}, {fault}")


def require_scores(scores: Tensor, images: Sequence[int] | NDArray[np.int64]) -> None:
    """Refuses scores with nan or infinity, because their maximum has no meaning.

    Args:
        scores: (B, K) scores.
        images: (B,) numbers of the images, for the message.

    Raises:
        NotFinite: A score is nan or infinite.
    """
    bad = (~scores.isfinite()).any(dim=1).nonzero()[:, 0].tolist()
    if bad:
        found = "nan" if scores[bad[0]].isnan().any() else "infinite"
        raise NotFinite(
            f"the scores of {len(bad)} of {len(scores)} images are {found}, first of image {images[bad[0]]}"
        )


def find_bad_rows(rows: Tensor) -> list[int]:
    """Finds the rows of features that hold nan, infinity or a vector that is too large.

    Args:
        rows: (B, D) or (B, M, D) features.

    Returns:
        Numbers of these rows, ascending.
    """
    bad = ~(_norms(rows, -1) <= LARGEST_NORM)
    found: list[int] = (bad.any(dim=1) if bad.dim() > 1 else bad).nonzero()[:, 0].tolist()
    return found


def suggest_remedy(sections: Mapping[str, object]) -> str:
    """Names the keys that probably cause numbers that are not finite.

    Args:
        sections: Parts of the scenario, dataclasses, by the path of their keys. `training.optimizer` is among them.

    Returns:
        A sentence that names all keys with unusual values; it names the learning rate where there are none.
    """
    keys = [key for path, section in sections.items() for key in _numbers(path, section)]
    smallest, largest = ORDINARY
    high = [key for key, size in keys if size > largest]
    low = [key for key, size in keys if 0 < size < smallest]
    parts = [f"{verb} {', '.join(found)}" for verb, found in (("Lower", high), ("Raise", low)) if found]
    rate = getattr(sections["training.optimizer"], "learning_rate", math.nan)
    return f"{'. '.join(parts) or f'Lower training.optimizer.learning_rate={rate:g}'}."


def _numbers(path: str, section: Any) -> Iterator[tuple[str, float]]:
    """The numbers of a section and of its components that are not at their defaults, written out, with their size."""
    for field in fields(section):
        value = getattr(section, field.name)
        if isinstance(value, float) and value != field.default:
            yield f"{path}.{field.name}={value:g}", abs(value)
        elif is_dataclass(value):
            yield from _numbers(f"{path}.{field.name}", value)


@contextmanager
def locate_faults(where: str, sections: Mapping[str, object]) -> Iterator[None]:
    """Adds place and remedy to the error of numbers that are not finite, for the code inside the `with` block.

    Args:
        where: Client or coordinator, round, exchange.
        sections: As for `suggest_remedy`.

    Yields:
        Nothing.

    Raises:
        NotFinite: A number is not finite, does not fit into single precision, or a matrix cannot be decomposed.
    """
    try:
        yield
    except NotFinite as error:
        fault = str(error)
    except LinAlgError:
        fault = "a matrix cannot be decomposed, its numbers are not finite or too far apart"
    except OverflowError:
        fault = "a number is beyond double precision"
    except RuntimeError as error:
        if "without overflow" not in str(error):  # torch's words on a factor that its kernels cannot take
            raise
        fault = "a step or a factor is beyond single precision"
    else:
        return
    raise NotFinite(f"{where}: {fault}. {suggest_remedy(sections)}")


def _norms(tensor: Tensor, dim: int | None) -> Tensor:
    """L2 norms in the tensor's own precision, at least single: the square of too large a number is infinite there."""
    norms: Tensor = vector_norm(tensor, dim=dim, dtype=torch.promote_types(tensor.dtype, torch.float32))
    return norms


def _describe(tensor: Tensor) -> str:
    bad = int((~tensor.isfinite()).sum())
    if bad:
        found = "nan" if tensor.isnan().any() else "infinite"
        return f"is {found} in {bad} of {tensor.numel()} numbers"
    largest = float(tensor.abs().max())
    return f"holds numbers of up to {largest:.2g}, the sum of whose squares is infinite in single precision"
