"""Writes a scenario with all its keys, so that a later version with other defaults reads the same scenario."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from fedsilo.config.evaluation_section import Reference
from fedsilo.config.schema import CONTRACTS, HEADING, SECTIONS, keys, selector, slots
from fedsilo.config.sections import Scenario
from fedsilo.config.yaml_writing import dump_line, dump_yaml
from fedsilo.core import Component
from fedsilo.core.registry import find, name_of

_INTERPOLATION = re.compile(r"(\\*)\$\{")
_SELECTORS = {contract.kind: selector(section) for section, contract in CONTRACTS.items()}


def to_mapping(scenario: Scenario) -> dict[str, Any]:
    """Converts a scenario to plain values with every key, in the order of the sections.

    Args:
        scenario: The scenario.

    Returns:
        Nested dicts of plain values.
    """
    result: dict[str, Any] = {key: getattr(scenario, key) for key in HEADING}
    for section in SECTIONS:
        result[section] = _plain(getattr(scenario, section))
    return result


def describe_component(component: Component) -> dict[str, Any]:
    """Converts a component to plain values.

    Args:
        component: The component.

    Returns:
        Its name and its keys.
    """
    values: dict[str, Any] = _plain(component)
    return values


def to_yaml(scenario: Scenario) -> str:
    """Converts a scenario to YAML: fractions as plain decimals, words that YAML would misread in quotes.

    Args:
        scenario: The scenario.

    Returns:
        The text of a scenario file.
    """
    return dump_yaml(_escaped(to_mapping(scenario)), flow=False, width=120)


def format_value(value: Any) -> str:
    """Formats one value as in a scenario file.

    Args:
        value: The value.

    Returns:
        YAML on one line.
    """
    return dump_line(_escaped(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, Reference) and value.training is None:
        return value.name
    if isinstance(value, Component):
        return {_SELECTORS.get(value.kind, "name"): name_of(value)} | _fields(value, slots(type(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, {})
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _fields(value: Any, inner: Mapping[str, type[Component]]) -> dict[str, Any]:
    """Converts the fields to plain values; a slot that is None holds the usual component."""
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    for name, contract in inner.items():
        found[name] = find(contract, keys(type(value))[name].usual)() if found[name] is None else found[name]
    return {name: _plain(item) for name, item in found.items()}


def _escaped(value: Any) -> Any:
    """Escapes `${` in the texts of a value, so that it is read as text."""
    if isinstance(value, str):
        return _INTERPOLATION.sub(lambda found: found[1] * 2 + r"\${", value)
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
