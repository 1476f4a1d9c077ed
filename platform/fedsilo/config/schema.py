"""The sections of a scenario, and the keys of each with type, default, range and meaning."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fedsilo.config.evaluation_section import Evaluation
from fedsilo.config.key_types import alternatives, optional, phrase
from fedsilo.config.ranges import Range, parse_range
from fedsilo.config.sections import Actors, Scenario, Tracking
from fedsilo.config.stragglers import StragglerPolicy
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
from fedsilo.core.training_settings import Training
from fedsilo.models.clip.backbone_section import Backbone

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONTRACTS: dict[str, type[Component]] = {
    "data": Dataset,
    "partition": Partition,
    "task": Task,
    "method": Method,
    "availability": Availability,
    "privacy": Mechanism,
    "aggregation": Aggregation,
}
"""Sections that name a component, with its contract."""

SLOTS: dict[tuple[str | int, ...], type[Component]] = {
    ("partition", "label"): LabelShift,
    ("partition", "feature"): FeatureShift,
    ("partition", "quantity"): QuantityShift,
    ("partition", "concept"): ConceptShift,
    ("method", "learner"): Learner,
    ("method", "strategy"): Strategy,
}
"""Slots: keys that name a component inside a section's component, if this has the key."""

NAMED: dict[tuple[str | int, ...], type[Component]] = {(section,): kind for section, kind in CONTRACTS.items()} | SLOTS
"""Every key path that names a component, sections before their slots."""

USUAL: dict[str, str] = {
    "data": "emblems",
    "partition": "composed",
    "task": "classification",
    "method": "promptfl",
    "availability": "none",
    "privacy": "none",
    "aggregation": "plain",
}
"""The component of a section where the scenario names none; that of a slot is declared with the slot."""

PLAIN: dict[str, type[Any]] = {
    "backbone": Backbone,
    "training": Training,
    "stragglers": StragglerPolicy,
    "evaluation": Evaluation,
    "actors": Actors,
    "tracking": Tracking,
}
"""Sections whose keys are always the same."""

HEADING = ("name", "seed")
SECTIONS = tuple(
    field.name for field in dataclasses.fields(Scenario) if field.name not in HEADING and field.name != "source"
)

_known: WeakKeyDictionary[type[Any], Mapping[str, Key]] = WeakKeyDictionary()

_structured: WeakKeyDictionary[type[Any], DictConfig] = WeakKeyDictionary()


def selector(section: str | int) -> str:
    """Returns the key that names the component of a section or slot: `mode` in privacy, `name` elsewhere.

    Args:
        section: The section or slot.

    Returns:
        The key.
    """
    return "mode" if section == "privacy" else "name"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section.

    Attributes:
        name: The key.
        type: The declared type.
        default: Its value where the scenario has none; `dataclasses.MISSING` where it must be given.
        meaning: What it is, one line.
        allowed: The allowed words, if they are a fixed list.
        within: The range of a number, if there is one.
        usual: Name of the component of a slot unless the scenario names another; "" for other keys.
    """

    name: str
    type: Any
    default: Any
    meaning: str
    allowed: tuple[str, ...] = ()
    within: Range | None = None
    usual: str = ""

    @property
    def expected(self) -> str:
        """Returns the allowed values as a phrase: "a whole number >= 1"."""
        if self.allowed and len(alternatives(self.type)) == 1:
            return f"one of {', '.join(self.allowed)}"
        if self.allowed:  # words beside numbers
            number = Key(self.name, alternatives(self.type)[0], self.default, self.meaning, within=self.within)
            return " or ".join([number.expected, *self.allowed])
        if self.within is None:
            return phrase(self.type)
        return f"{phrase(alternatives(self.type)[0])} {self.within.text}" + (" or null" if optional(self.type) else "")


def keys(section: type[Any]) -> Mapping[str, Key]:
    """Lists the keys of a section or component.

    Args:
        section: Its dataclass.

    Returns:
        Keys by name, in the order of the fields.
    """
    if section not in _known:
        hints = typing.get_type_hints(section)
        fields = [field for field in dataclasses.fields(section) if field.init]
        _known[section] = {field.name: _key(field, hints[field.name]) for field in fields}
    return _known[section]


def defaults(section: type[Any]) -> DictConfig:
    """Makes OmegaConf's structured configuration of a section: typed, at its defaults.

    Args:
        section: Its dataclass.

    Returns:
        The configuration, which must not be changed.

    Raises:
        OmegaConfBaseException: A field has a type that no scenario can hold.
    """
    from omegaconf import OmegaConf  # takes 0.1 s, which a missing file should not cost

    if section not in _structured:
        _structured[section] = OmegaConf.structured(section)
    return _structured[section]


def _key(field: dataclasses.Field[Any], hint: Any) -> Key:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    within = field.metadata.get("within", "")
    if typing.get_origin(hint) is typing.Literal:  # words in the type's own terms; `allowed` lists them as well
        hint = str
    return Key(
        name=field.name,
        type=hint,
        default=default,
        meaning=field.metadata.get("help", ""),
        allowed=tuple(field.metadata.get("allowed", ())),
        within=parse_range(within) if within else None,
        usual=field.metadata.get("usual", ""),
    )


def slots(component: type[Any]) -> dict[str, type[Component]]:
    """Lists the keys of a component that name components themselves.

    Args:
        component: Its dataclass.

    Returns:
        The contract of each slot, by key.
    """
    return {name: alternatives(key.type)[0] for name, key in keys(component).items() if key.usual}


def assemble_class(component: type[Any], inner: Mapping[str, type[Any]]) -> type[Any]:
    """Makes a component's class whose slots have given classes, so that their keys are known.

    `Builder` builds instances of the component itself from it: see `original_class`.

    Args:
        component: The component's class.
        inner: The class of each slot.

    Returns:
        The new class; the component's own where it has no slots.
    """
    return _assembled(component, tuple(inner.items())) if inner else component  # type: ignore[arg-type]  # it is hashable


@functools.lru_cache(maxsize=256)
def _assembled(component: type[Any], inner: tuple[tuple[str, type[Any]], ...]) -> type[Any]:
    """The class is the same again for the same slots, so that what is known of its keys is found again."""
    fields = [(name, cls, dataclasses.field(default_factory=cls)) for name, cls in inner]
    return dataclasses.make_dataclass(
        component.__name__, fields, bases=(component,), frozen=True, namespace={"_assembled_from": component}
    )


def original_class(cls: type[Any]) -> type[Any]:
    """Finds the component that a class was assembled from.

    Args:
        cls: A class.

    Returns:
        The component's class; the class itself where it was not assembled.
    """
    return getattr(cls, "_assembled_from", cls)
