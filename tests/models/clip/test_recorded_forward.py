"""What the recording of a forward pass refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.models.clip.double_towers import SHAPE, Case

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.recorded_forward import record


def test_recording_refuses_what_the_tower_refuses(build: Callable[..., Any]) -> None:
    case = Case.make(build(SHAPE))
    with pytest.raises(BackboneError, match="48 numbers, the text tower takes 32"):
        record(case.tower, case.classes, torch.zeros(4, 48, dtype=torch.float64))
    with pytest.raises(BackboneError, match="need 86 positions, the text tower has 77"):
        record(case.tower, case.classes, torch.zeros(80, 32, dtype=torch.float64))
