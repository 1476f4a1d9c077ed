"""What a scenario may hold: its sections, and the keys of each with type, default, range and meaning."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard
from weakref import WeakKeyDictionary

from fedsilo.config.ranges import Range, parse_range
from fedsilo.config.sections import Actors, Evaluation, Scenario, Tracking
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import (
    Aggregation,
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
    Trace,
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
    "trace": Trace,
    "privacy": Mechanism,
    "aggregation": Aggregation,
}
"""Sections that name a component, with what it must be."""

SLOTS: dict[tuple[str | int, ...], type[Component]] = {
    ("partition", "label"): LabelShift,
    ("partition", "feature"): FeatureShift,
    ("partition", "quantity"): QuantityShift,
    ("partition", "concept"): ConceptShift,
    ("method", "learner"): Learner,
    ("method", "strategy"): Strategy,
}
"""Keys that name a component inside a section's component, if that one has the key."""

NAMED: dict[tuple[str | int, ...], type[Component]] = {(section,): kind for section, kind in CONTRACTS.items()} | SLOTS
"""Every key path that names a component, sections before their slots."""

USUAL: dict[str, str] = {
    "data": "emblems",
    "partition": "composed",
    "task": "classification",
    "method": "promptfl",
    "trace": "none",
    "privacy": "none",
    "aggregation": "plain",
}
"""The component of a section that the scenario does not name; that of a slot is said where the slot is declared."""

PLAIN: dict[str, type[Any]] = {
    "backbone": Backbone,
    "training": Training,
    "pace": StragglerPolicy,
    "evaluation": Evaluation,
    "actors": Actors,
    "tracking": Tracking,
}
"""Sections whose keys are always the same."""

HEADING = ("name", "seed")
SECTIONS = tuple(
    field.name for field in dataclasses.fields(Scenario) if field.name not in HEADING and field.name != "source"
)

_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Any: "anything"}


_known: WeakKeyDictionary[type[Any], Mapping[str, Key]] = WeakKeyDictionary()

_structured: WeakKeyDictionary[type[Any], DictConfig] = WeakKeyDictionary()


def selector(section: str | int) -> str:
    """Returns the key that names the component of a section or slot: `mode` in privacy, `name` elsewhere."""
    return "mode" if section == "privacy" else "name"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section.

    Attributes:
        name: The key.
        type: The type that is declared for it.
        default: Its value where the scenario is silent; `dataclasses.MISSING` when it must be given.
        meaning: What it is, one line.
        allowed: The words it may be, if they are a fixed list.
        within: The range of a number, if there is one.
        usual: Name of the component that stands here unless another is named; "" where no component does.
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
        """What may stand here, as a phrase: "a whole number >= 1"."""
        if self.allowed and len(alternatives(self.type)) == 1:
            return f"one of {', '.join(self.allowed)}"
        if self.allowed:  # words beside numbers
            number = Key(self.name, alternatives(self.type)[0], self.default, self.meaning, within=self.within)
            return " or ".join([number.expected, *self.allowed])
        if self.within is None:
            return phrase(self.type)
        return f"{phrase(alternatives(self.type)[0])} {self.within.text}" + (" or null" if optional(self.type) else "")


def keys(section: type[Any]) -> Mapping[str, Key]:
    """Returns the keys of a section or component, in the order of its dataclass fields."""
    if section not in _known:
        hints = typing.get_type_hints(section)
        fields = [field for field in dataclasses.fields(section) if field.init]
        _known[section] = {field.name: _key(field, hints[field.name]) for field in fields}
    return _known[section]


def defaults(section: type[Any]) -> DictConfig:
    """Returns the section as OmegaConf's structured configuration: typed, at its defaults. Not to be changed.

    Raises:
        OmegaConfBaseException: A field has a type that no scenario can hold.
    """
    from omegaconf import OmegaConf  # a tenth of a second, which a scenario that is not there does not need

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
    """Returns the keys of a component that name components themselves, with what these must be."""
    return {name: alternatives(key.type)[0] for name, key in keys(component).items() if key.usual}


def assemble_class(component: type[Any], inner: Mapping[str, type[Any]]) -> type[Any]:
    """Returns a component's class with its slots taken by these classes, so that their keys are known.

    What is built of it is an instance of the component itself: see `original_class`.
    """
    if not inner:
        return component
    fields = [(name, cls, dataclasses.field(default_factory=cls)) for name, cls in inner.items()]
    return dataclasses.make_dataclass(
        component.__name__, fields, bases=(component,), frozen=True, namespace={"_assembled_from": component}
    )


def original_class(cls: type[Any]) -> type[Any]:
    """Returns the component that an assembled class was made from; any other class is its own."""
    return getattr(cls, "_assembled_from", cls)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Returns the types that a union allows, without None; a type that is no union is its only alternative."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(choice for choice in typing.get_args(hint) if choice is not type(None))
    return (hint,)


def optional(hint: Any) -> bool:
    """Whether null may stand for a value of this type."""
    return hint in (Any, type(None)) or type(None) in typing.get_args(hint)


def is_section(hint: Any) -> TypeGuard[type[Any]]:
    """Whether the type is a dataclass: a mapping with known keys."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def is_list(hint: Any) -> bool:
    """Whether the type is written as a list."""
    return (typing.get_origin(hint) or hint) in (list, tuple, Sequence)


def fixed_size(hint: Any) -> bool:
    """Whether the type is a tuple of so many items."""
    arguments = typing.get_args(hint)
    return typing.get_origin(hint) is tuple and bool(arguments) and Ellipsis not in arguments


def is_mapping(hint: Any) -> bool:
    """Whether the type is written as a mapping with free keys."""
    return (typing.get_origin(hint) or hint) in (dict, Mapping)


def item_type(hint: Any) -> Any:
    """Returns the type of a list's items or a mapping's values."""
    arguments = [argument for argument in typing.get_args(hint) if argument is not Ellipsis]
    if is_mapping(hint):
        return arguments[1] if len(arguments) == 2 else Any
    return arguments[0] if arguments and len(set(arguments)) == 1 else Any


def phrase(hint: Any) -> str:
    """Returns a type in words: "a list of text", "a number or null"."""
    if len(alternatives(hint)) > 1 or (optional(hint) and hint is not Any):
        return " or ".join([*map(phrase, alternatives(hint)), *(["null"] if optional(hint) else [])])
    if is_list(hint):
        count = f"{len(typing.get_args(hint))} " if fixed_size(hint) else ""
        return f"a list of {count}{_many(item_type(hint))}"
    if is_mapping(hint) or is_section(hint):
        return "a mapping"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _many(hint: Any) -> str:
    plural = {int: "whole numbers", float: "numbers", str: "texts", Any: "values"}
    return plural.get(hint, phrase(hint))
