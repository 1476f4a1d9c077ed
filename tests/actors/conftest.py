"""What several tests of actors pretend."""

from typing import Any

import pytest
import torch

import fedsilo_actors.devices
import fedsilo_actors.encoder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns machine(gpus=..., cuda=...): what Ray has to give, and whether torch finds a GPU."""

    def make(gpus: int, cuda: bool, cores: int = 8) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        for module in (fedsilo_actors.devices, fedsilo_actors.encoder):
            monkeypatch.setattr(
                module, "total_resources", lambda: {"CPU": float(cores), **({"GPU": float(gpus)} if gpus else {})}
            )

    return make
