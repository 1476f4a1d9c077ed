"""Finds components by file name: `method: fedotp` is the one Method in `fedsilo/methods/fedotp.py`.

A name with a colon, `my_lab.my_method:MyMethod`, is imported from anywhere. Only the file that is asked for is
imported, and there is no list of components to maintain.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from types import ModuleType

from fedsilo.core import (
    Aggregation,
    Availability,
    Component,
    ConceptShift,
    Dataset,
    FeatureShift,
    LabelShift,
    Learner,
    Mechanism,
    Method,
    Partition,
    QuantityShift,
    Strategy,
    Task,
)
from fedsilo.core.errors import UnknownComponent

JOIN = "+"
"""Joins the names of a learner and a strategy to the name of a method."""

PACKAGES: dict[type[Component], str] = {
    Dataset: "fedsilo.data.datasets",
    Partition: "fedsilo.partitioning.rules",
    LabelShift: "fedsilo.partitioning.shifts.label",
    FeatureShift: "fedsilo.partitioning.shifts.feature",
    QuantityShift: "fedsilo.partitioning.shifts.quantity",
    ConceptShift: "fedsilo.partitioning.shifts.concept",
    Task: "fedsilo.tasks",
    Learner: "fedsilo.learners",
    Strategy: "fedsilo.strategies",
    Method: "fedsilo.methods",
    Availability: "fedsilo.simulation.availability",
    Mechanism: "fedsilo.privacy.mechanisms",
    Aggregation: "fedsilo.aggregation",
}


def names(contract: type[Component]) -> list[str]:
    """Lists the names of all shipped components of a contract.

    Args:
        contract: The contract, for example `Method`.

    Returns:
        The names, sorted.
    """
    package = importlib.import_module(PACKAGES[contract])
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg)


def find(contract: type[Component], name: str) -> type[Component]:
    """Finds a component class by name.

    Args:
        contract: The contract that it must fulfil.
        name: Its file's name, or package.module:Class.

    Returns:
        The class.

    Raises:
        UnknownComponent: No component has that name, or it does not fulfil the contract.
    """
    if ":" in name:
        return _from_anywhere(contract, name)
    known, name = names(contract), name.replace("-", "_")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UnknownComponent(f"no {contract.kind} '{name}'.{hint} Available: {', '.join(known)}.")
    module = importlib.import_module(f"{PACKAGES[contract]}.{name}")
    found = _defined_in(module, contract)
    if len(found) != 1:
        raise UnknownComponent(f"{module.__name__} must define exactly one {contract.__name__}, it has {len(found)}.")
    return found[0]


def name_of(component: Component) -> str:
    """Returns the name with which `find` finds a component.

    Args:
        component: An instance.

    Returns:
        The name.
    """
    cls = type(component)
    package, _, module = cls.__module__.rpartition(".")
    if package in PACKAGES.values():
        return module
    return f"{cls.__module__}:{cls.__qualname__}"


def title_of(method: Component) -> str:
    """Returns the name of a method for people, which `method:` accepts too.

    Args:
        method: An instance.

    Returns:
        The name; 'coop+fedprox' for a combination.
    """
    parts = [field.name for field in dataclasses.fields(method) if field.metadata.get("usual")]  # type: ignore[arg-type]
    if not isinstance(method, Method) or not parts:
        return name_of(method)
    return JOIN.join(name_of(getattr(method, part)) for part in parts)


def _defined_in(module: ModuleType, contract: type[Component]) -> list[type[Component]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, contract)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]


def _from_anywhere(contract: type[Component], name: str) -> type[Component]:
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownComponent(f"{contract.kind} '{name}' cannot be imported: {error}. Is it on PYTHONPATH?") from error
    if not (inspect.isclass(found) and issubclass(found, contract)):
        raise UnknownComponent(f"'{name}' is not a {contract.__name__}.")
    if inspect.isabstract(found):
        lacks = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise UnknownComponent(f"{contract.kind} '{name}' lacks {lacks}. Write them, or name a class that has them.")
    return found
