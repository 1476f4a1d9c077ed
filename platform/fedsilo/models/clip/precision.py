"""TF32: whether GPUs may round the factors of fp32 products to 10 bits of mantissa (Ampere and later).

torch allows it by default in convolutions and not in matrix products, and a process may have been told otherwise by
whoever started it. So it is said in every process that computes, on or off. Nothing of it concerns the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def set_tf32(allowed: bool) -> None:
    """Allows TF32 in matrix products and convolutions of this process, or forbids it in both."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Holds this process to TF32 or to none, and puts back what was."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    set_tf32(allowed)
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
