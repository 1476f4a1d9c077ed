"""A partition's rule in a line: what it was told, without what is usual anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsilo.config.dumping import describe_component
from fedsilo.config.schema import slots
from fedsilo.core import Component, Partition
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import find


def rule_text(rule: Mapping[str, Any]) -> str:
    """Returns the rule of a manifest in words, for example "clients 10, label dirichlet (beta 0.3), feature domains".

    Args:
        rule: Name and keys, as in `Manifest.rule`; of a component that cannot be found any more every key is told.
    """
    name = str(rule.get("name", ""))
    told = _told(rule, Partition)
    return ", ".join(told if name == "composed" and told else [name, *told])


def _told(keys: Mapping[str, Any], contract: type[Component]) -> list[str]:
    cls = _class(contract, str(keys.get("name", "")))
    usual = {} if cls is None else describe_component(cls())
    inner = {} if cls is None else slots(cls)
    found = []
    for key, value in keys.items():
        if key == "name" or value == usual.get(key, _NOTHING):
            continue
        if isinstance(value, Mapping) and key in inner:
            found.append(f"{key} {value.get('name')}{_bracketed(_told(value, inner[key]))}")
        elif isinstance(value, Mapping):
            before = usual.get(key, {})
            found.append(f"{key}{_bracketed([f'{k} {_plain(v)}' for k, v in value.items() if v != before.get(k)])}")
        else:
            found.append(f"{key} {_plain(value)}")
    return found


_NOTHING = object()


def _class(contract: type[Component], name: str) -> type[Component] | None:
    try:
        cls = find(contract, name)
        cls()
    except (UnknownComponent, TypeError):  # from elsewhere, and not there any more, or with keys that must be given
        return None
    return cls


def _bracketed(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
