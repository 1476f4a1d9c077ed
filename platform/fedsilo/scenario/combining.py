"""A method written as a learner and a strategy: `method: {learner: fedotp, strategy: fedprox, mu: 0.01}`.

Keys of either may stand beside their names, as in a recipe; here they are put where they belong, into the slots of the
method `composed`. Where a scenario so far has a recipe and a layer names only one of the two, the other stays the
recipe's: `method=fedotp` with `method.strategy=fedprox` is FedOTP's learner under FedProx.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fedsilo.core import Method
from fedsilo.errors import UnknownComponent
from fedsilo.registry import find, name_of
from fedsilo.scenario.problems import KeyPath
from fedsilo.scenario.schema import SLOTS, keys
from fedsilo.training.recipes import Recipe

COMPOSED, METHOD = "composed", "method"
PARTS = ("learner", "strategy")

Values = dict[str | int, Any]


def combined(given: Mapping[str | int, Any], below: Mapping[str | int, Any], names: Mapping[KeyPath, str]) -> Values:
    """Returns a layer's method section with keys of learner and strategy inside their slots.

    Args:
        given: The section as the layer has it, names of slots written out.
        below: The section as the layers below have it.
        names: The names so far, by the path of their section or slot.
    """
    method: Values = dict(given)
    so_far = names[METHOD,]
    inherited: Mapping[str | int, Any] = {}
    if "name" not in method and any(part in method for part in PARTS) and so_far != COMPOSED:
        inherited = {key: value for key, value in below.items() if key not in method}
        method = {**inherited, **method, "name": COMPOSED}
        for part, name in parts_of(so_far).items():
            method.setdefault(part, {"name": name})
    if method.get("name", so_far) == COMPOSED:
        method = _in_slots(method, names)
    return {key: value for key, value in method.items() if key not in inherited}


def _in_slots(method: Values, names: Mapping[KeyPath, str]) -> Values:
    for part in PARTS:
        inside = method.get(part)
        name = inside.get("name") if isinstance(inside, dict) else None
        known = _keys(part, name or names.get((METHOD, part), _usual(part)))
        own = {key: method[key] for key in list(method) if key in known and key not in ("name", *PARTS)}
        if own and (inside is None or isinstance(inside, dict)):
            method[part] = {**own, **(inside or {})}
            for key in own:
                del method[key]
    return method


def parts_of(name: str) -> dict[str, str]:
    """Returns the names of a recipe's learner and strategy; nothing for another method."""
    try:
        made = find(Method, name)()
    except (UnknownComponent, TypeError):
        return {}
    if not isinstance(made, Recipe):
        return {}
    return {"learner": name_of(made.learner), "strategy": name_of(made.strategy)}


def _usual(part: str) -> str:
    return {"learner": "coop", "strategy": "fedavg"}[part]


def _keys(part: str, name: str) -> Mapping[str, object]:
    kind: Callable[..., Any] = SLOTS[METHOD, part]
    try:
        return keys(find(kind, name))  # type: ignore[arg-type]
    except Exception:  # of whatever kind: it is said where the component is looked up
        return {}
