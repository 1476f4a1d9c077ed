"""Makes the class of a method from a learner's class and a strategy's class, with the keys of both."""

from __future__ import annotations

import dataclasses
import sys
import typing
from functools import cached_property
from typing import Any

from fedsilo.core.config_fields import DEFINES
from fedsilo.core.learner import Learner
from fedsilo.core.strategy import Strategy
from fedsilo.training.recipes import Recipe


def recipe(
    name: str, summary: str, learner: type[Learner], strategy: type[Strategy], headline: int = 5, **usual: Any
) -> Any:
    """Makes the class of a method whose keys are those of a learner and a strategy.

    Args:
        name: The class's name; noise keys are made from it, so it must not change.
        summary: One line for `fedsilo list`.
        learner: The learner's class.
        strategy: The strategy's class.
        headline: Evaluated rounds that the headline averages.
        **usual: The paper's values of keys, where they differ from those of the learner and the strategy; a method that
            runs as a reference keeps them, whatever the scenario's own method has.

    Returns:
        The class, a frozen dataclass.
    """
    parts: tuple[Any, ...] = (learner, strategy)
    fields = [_field(cls, field, usual) for cls in parts for field in dataclasses.fields(cls) if field.init]
    module = sys._getframe(1).f_globals["__name__"]
    made = dataclasses.make_dataclass(
        name,
        fields,
        bases=(Recipe,),
        frozen=True,
        namespace={
            "__doc__": summary,
            "__module__": module,
            "headline_rounds": headline,
            "learner": cached_property(lambda self: _part(learner, self)),
            "strategy": cached_property(lambda self: _part(strategy, self)),
        },
    )
    made.__module__ = module
    return made


def _field(cls: type[Any], field: dataclasses.Field[Any], usual: dict[str, Any]) -> tuple[str, Any, Any]:
    """Returns a field of a part as a field of the recipe."""
    default: Any = usual.get(field.name, field.default)
    factory = dataclasses.MISSING if field.name in usual else field.default_factory
    kind = typing.get_type_hints(cls)[field.name]
    metadata = {**field.metadata, DEFINES: True} if field.name in usual else field.metadata
    if factory is not dataclasses.MISSING:
        return field.name, kind, dataclasses.field(default_factory=factory, metadata=metadata)
    return field.name, kind, dataclasses.field(default=default, metadata=metadata)


def _part(cls: type[Any], whole: Any) -> Any:
    return cls(**{field.name: getattr(whole, field.name) for field in dataclasses.fields(cls) if field.init})
