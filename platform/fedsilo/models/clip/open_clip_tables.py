"""open_clip's tables of models and weights, read from its files: importing open_clip itself takes seconds.

A JSON file in its folder describes a model. The weights are a dictionary in `open_clip/pretrained.py`, which needs no
tower; it is imported as part of a package that has open_clip's files and an empty `__init__`.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_REQUIRED = ("embed_dim", "vision_cfg", "text_cfg")
_PACKAGE = "fedsilo_open_clip_tables"


@cache
def read_configurations() -> Mapping[str, dict[str, Any]]:
    """Returns the configuration of every model, by name, in open_clip's order; callers must not change it."""
    documents = {
        file.stem: json.loads(file.read_text("utf-8")) for file in (_folder() / "model_configs").glob("*.json")
    }
    names = sorted((name for name, found in documents.items() if all(key in found for key in _REQUIRED)), key=_in_order)
    return {name: documents[name] for name in names}


def list_weight_tags(name: str) -> tuple[str, ...]:
    """Lists the weight tags that open_clip knows for a model.

    Args:
        name: The model's name as open_clip lists it.

    Returns:
        The tags; none for an unknown name.
    """
    return tuple(_weights().list_pretrained_tags_by_model(name))


def has_weights(name: str, tag: str) -> bool:
    """Checks whether open_clip knows weights of a model.

    Args:
        name: The model's name as open_clip lists it.
        tag: The weights' tag.

    Returns:
        Whether it does.
    """
    return bool(_weights().is_pretrained_cfg(name, tag))


def _in_order(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name.lower())]


def _folder() -> Path:
    found = find_spec("open_clip")
    if found is None or not found.origin:
        raise ModuleNotFoundError("No module named 'open_clip'", name="open_clip")
    return Path(found.origin).parent


@cache
def _weights() -> ModuleType:
    package = ModuleType(_PACKAGE)
    package.__path__ = [str(_folder())]
    sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.pretrained")
