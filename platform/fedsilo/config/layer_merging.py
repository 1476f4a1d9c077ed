"""Merges a method that is written as a learner and a strategy.

`method: {learner: fedotp, strategy: fedprox, mu: 0.01}` and `method: fedotp+fedprox` name both. Keys of either part may
stand beside the two names, as in a recipe; they are moved into the slots of the method `composed`.

Where the layers below name a recipe and a layer names only one of the two parts, the other part stays the recipe's:
`method=fedotp` with `method.strategy=fedprox` is FedOTP's learner under FedProx. Keys are kept: from a recipe to its
learner or strategy, and from these to a recipe that is named later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fedsilo.config.problems import KeyPath, SourcePlace
from fedsilo.config.schema import SLOTS, keys
from fedsilo.core import Method
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import JOIN, find, name_of

COMPOSED, METHOD = "composed", "method"
USUAL = {"learner": "coop", "strategy": "fedavg"}
"""The slots of a combination, with the component of each where none is named."""

Values = dict[str | int, Any]


def combine_parts(
    given: Mapping[str | int, Any], below: Mapping[str | int, Any], names: Mapping[KeyPath, str]
) -> Values:
    """Moves keys of learner and strategy into their slots.

    Args:
        given: The section `method` of the layer, names of slots written as mappings.
        below: The section of the layers below.
        names: The names so far, by the key path of their section or slot.

    Returns:
        The section to lay on top.
    """
    method, so_far = _split(given), names[METHOD,]
    if method.get("name", COMPOSED) == COMPOSED and so_far != COMPOSED and any(part in method for part in USUAL):
        method["name"] = COMPOSED
        for part, name in find_parts(so_far).items():
            _inherit(method, part, name, below)
    elif so_far == COMPOSED and method.get("name", COMPOSED) != COMPOSED:
        inner = (below.get(part) for part in USUAL)
        known = _keys(find_method(method["name"]))
        found = {k: v for values in inner if isinstance(values, dict) for k, v in values.items() if k in known}
        return {**found, **method}
    if method.get("name", so_far) == COMPOSED:
        _sink(method, names)
    return method


def split_method_name(name: str) -> dict[KeyPath, str]:
    """Splits a method's name into what it names.

    Args:
        name: A method's name, or LEARNER+STRATEGY.

    Returns:
        Names by key path: of a learner and a strategy, or of a method.
    """
    learner, joined, strategy = name.partition(JOIN)
    return {(METHOD, "learner"): learner, (METHOD, "strategy"): strategy} if joined else {(METHOD,): name}


def move_places(method: Mapping[str | int, Any], places: Mapping[KeyPath, SourcePlace]) -> dict[KeyPath, SourcePlace]:
    """Finds the places of keys that were moved into the slots of learner and strategy.

    Args:
        method: The section after the move.
        places: Where each value was written.

    Returns:
        The places by new key path.
    """
    return {
        (METHOD, slot, key): places[METHOD, key]
        for slot in USUAL
        if isinstance(method.get(slot), dict)
        for key in method[slot]
        if (METHOD, key) in places and (METHOD, slot, key) not in places and key != "name"
    }


def find_parts(name: str) -> dict[str, str]:
    """Finds the names of a recipe's learner and strategy.

    Args:
        name: A method's name.

    Returns:
        The names by slot; empty for another method.
    """
    try:
        made: Any = find(Method, name)()
    except (UnknownComponent, TypeError):
        return {}
    return {part: name_of(own) for part, own in zip(USUAL, made.parts or (), strict=False)}


def find_method(name: object) -> Callable[[], type[Any]]:
    """Returns a function that finds a method's class.

    Args:
        name: The method's name.

    Returns:
        The function.
    """
    return lambda: find(Method, str(name))


def _split(given: Mapping[str | int, Any]) -> Values:
    """Splits LEARNER+STRATEGY in the section into two names."""
    method, name = dict(given), given.get("name")
    if not isinstance(name, str) or JOIN not in name:
        return method
    method["name"] = COMPOSED
    for (_, part), named in split_method_name(name).items():
        inside = method.get(str(part), {})
        method[part] = {"name": named, **inside} if isinstance(inside, dict) else inside
    return method


def _inherit(method: Values, part: str, name: str, below: Mapping[str | int, Any]) -> None:
    """Gives a slot of a combination the name and the keys of a recipe's part."""
    inside = method.setdefault(part, {"name": name})
    if not isinstance(inside, dict):
        return
    inside = {"name": name, **inside}
    before = _part_keys(part, name)
    known = _part_keys(part, inside["name"])
    kept = {key: value for key, value in below.items() if key in known and key in before and key != "name"}
    method[part] = {**kept, **inside}


def _sink(method: Values, names: Mapping[KeyPath, str]) -> None:
    """Moves keys into the slot whose component has them; a key that both have stays, and is refused later."""
    known = {}
    for part, usual in USUAL.items():
        inside = method.get(part)
        name = inside.get("name") if isinstance(inside, dict) else None
        if inside is None or isinstance(inside, dict):
            known[part] = _part_keys(part, name or names.get((METHOD, part), usual))
    for key in [key for key in method if key not in ("name", *USUAL)]:
        homes = [part for part in known if key in known[part]]
        if len(homes) == 1:
            (part,) = homes
            method[part] = {key: method.pop(key), **(method.get(part) or {})}


def _part_keys(part: str, name: object) -> Mapping[str, object]:
    kind: Any = SLOTS[METHOD, part]
    return _keys(lambda: find(kind, str(name)))


def _keys(found: Callable[[], type[Any]]) -> Mapping[str, object]:
    """Returns the keys of a component; none where it cannot be found, which is reported elsewhere."""
    try:
        return keys(found())
    except Exception:  # of any kind: importing a component runs its author's code
        return {}
