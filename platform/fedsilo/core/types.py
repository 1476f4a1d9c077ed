"""Types of states: named tensors in torch, and arrays that are sent between processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]
"""Tensors by name: *shared* state is the coordinator's, *private* state a client's own, an *upload* what it sends."""

Arrays = dict[str, NDArray[np.float32]]
"""The same as arrays."""

Indices = NDArray[np.int64]
"""Positions or labels, int64."""
