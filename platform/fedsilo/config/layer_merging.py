"""A method written as a learner and a strategy: `method: {learner: fedotp, strategy: fedprox, mu: 0.01}`.

Keys of either may stand beside their names, as in a recipe; here they are put where they belong, into the slots of the
method `composed`. `method: fedotp+fedprox` says the same. Where a scenario so far has a recipe and a layer names only
one of the two, the other stays the recipe's: `method=fedotp` with `method.strategy=fedprox` is FedOTP's learner under
FedProx. Keys go along: from a recipe into its learner or strategy, and from these to a recipe that is named later.
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
"""The parts of a combination, with what stands there where none is named."""

Values = dict[str | int, Any]


def combine_parts(
    given: Mapping[str | int, Any], below: Mapping[str | int, Any], names: Mapping[KeyPath, str]
) -> Values:
    """Returns a layer's method section with keys of learner and strategy inside their slots.

    Args:
        given: The section as the layer has it, names of slots written out.
        below: The section as the layers below have it.
        names: The names so far, by the path of their section or slot.
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
    """Returns what a method's name names, by key path: a learner and a strategy where it is LEARNER+STRATEGY."""
    learner, joined, strategy = name.partition(JOIN)
    return {(METHOD, "learner"): learner, (METHOD, "strategy"): strategy} if joined else {(METHOD,): name}


def move_places(method: Mapping[str | int, Any], places: Mapping[KeyPath, SourcePlace]) -> dict[KeyPath, SourcePlace]:
    """Returns the places of keys that stood beside the names of a learner and a strategy, where they are now."""
    return {
        (METHOD, slot, key): places[METHOD, key]
        for slot in USUAL
        if isinstance(method.get(slot), dict)
        for key in method[slot]
        if (METHOD, key) in places and (METHOD, slot, key) not in places and key != "name"
    }


def find_parts(name: str) -> dict[str, str]:
    """Returns the names of a recipe's learner and strategy; nothing for another method."""
    try:
        made: Any = find(Method, name)()
    except (UnknownComponent, TypeError):
        return {}
    return {part: name_of(own) for part, own in zip(USUAL, made.parts or (), strict=False)}


def find_method(name: object) -> Callable[[], type[Any]]:
    """Returns a function that finds a method's class."""
    return lambda: find(Method, str(name))


def _split(given: Mapping[str | int, Any]) -> Values:
    """The section with LEARNER+STRATEGY as two names."""
    method, name = dict(given), given.get("name")
    if not isinstance(name, str) or JOIN not in name:
        return method
    method["name"] = COMPOSED
    for (_, part), named in split_method_name(name).items():
        inside = method.get(str(part), {})
        method[part] = {"name": named, **inside} if isinstance(inside, dict) else inside
    return method


def _inherit(method: Values, part: str, name: str, below: Mapping[str | int, Any]) -> None:
    """Gives a part of a combination the name, and the keys, that a recipe's part has."""
    inside = method.setdefault(part, {"name": name})
    if not isinstance(inside, dict):
        return
    inside = {"name": name, **inside}
    before = _part_keys(part, name)
    known = _part_keys(part, inside["name"])
    kept = {key: value for key, value in below.items() if key in known and key in before and key != "name"}
    method[part] = {**kept, **inside}


def _sink(method: Values, names: Mapping[KeyPath, str]) -> None:
    """Puts keys beside the names into the part that has them; where both have one, it stays, to be refused."""
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
    """The keys of a component; none where it cannot be found, which is said where it is looked up."""
    try:
        return keys(found())
    except Exception:  # of whatever kind: importing a component runs code of its author
        return {}
