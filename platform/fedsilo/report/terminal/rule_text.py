"""A partition's rule on one line, without default values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsilo.config.dumping import describe_component
from fedsilo.config.schema import slots
from fedsilo.core import Component, Partition
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import find


def rule_text(rule: Mapping[str, Any]) -> str:
    """Describes the rule of a manifest, for example "clients 10, label dirichlet (beta 0.3), feature domains".

    Args:
        rule: Name and keys, as in `Manifest.rule`. All keys of a component that no longer exists are listed.

    Returns:
        The line.
    """
    name = str(rule.get("name", ""))
    keys = _list_keys(rule, Partition)
    return ", ".join(keys if name == "composed" and keys else [name, *keys])


def _list_keys(keys: Mapping[str, Any], contract: type[Component]) -> list[str]:
    cls = _class(contract, str(keys.get("name", "")))
    usual = {} if cls is None else describe_component(cls())
    if cls is not None and issubclass(cls, Partition):
        usual["test"] = "client"  # manifests have what `auto` came to
    inner = {} if cls is None else slots(cls)
    found = []
    for key, value in keys.items():
        if key == "name" or value == usual.get(key, _NOTHING):
            continue
        if isinstance(value, Mapping) and key in inner:
            found.append(f"{key} {value.get('name')}{_bracket(_list_keys(value, inner[key]))}")
        elif isinstance(value, Mapping):
            before = usual.get(key, {})
            found.append(f"{key}{_bracket([f'{k} {_plain(v)}' for k, v in value.items() if v != before.get(k)])}")
        else:
            found.append(f"{key} {_plain(value)}")
    return found


_NOTHING = object()


def _class(contract: type[Component], name: str) -> type[Component] | None:
    try:
        cls = find(contract, name)
        cls()
    except (UnknownComponent, TypeError):  # gone, or with required keys
        return None
    return cls


def _bracket(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
