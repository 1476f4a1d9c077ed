"""Finds the code outside the engine that a scenario's components come from."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from fedsilo.config.sections import Scenario
from fedsilo.core import Component

_OURS = {"fedsilo", "fedsilo_actors", "__main__", "builtins"}


def list_external_modules(scenario: Scenario) -> list[ModuleType]:
    """Lists the packages and modules of components that were named `package.module:Class`.

    Packages are complete: of `my_lab.methods.mine` it is `my_lab`, since the module may import its neighbours.

    Args:
        scenario: The scenario.

    Returns:
        Top-level packages and modules, each once, sorted by name.
    """
    tops = {type(component).__module__.partition(".")[0] for component in _components(scenario)} - _OURS
    return [sys.modules[top] for top in sorted(tops) if top in sys.modules]


def _components(value: Any) -> Iterator[Component]:
    if isinstance(value, Component):
        yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _components(getattr(value, field.name))
