"""The shipped model with names of classes."""

from functools import lru_cache
from typing import Any

from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.simulation.frozen_parts import frozen_model

NAMES = ("cat", "ice cream", "X-ray, old")
WORDS = "a bright red picture"


@lru_cache
def loaded() -> Any:
    from fedsilo.models.clip.loading import load

    return load(Backbone())


def model(*phrases: str) -> FrozenModel:
    return frozen_model(loaded(), NAMES, "a {}.", phrases)
