"""JSON Schema of scenario files, with which editors complete keys and mark mistakes.

The schema is made of the keys that the reader of scenario files accepts (`schema.keys`), through pydantic models. It
accepts all that the reader accepts in one file, and more: keys that a file inherits by `extends` are not known to it,
and contradictions between sections are found by `fedsilo validate` only.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypeAliasType

from fedsilo.config.layer_merging import COMPOSED, METHOD, USUAL
from fedsilo.config.old_keys import RETIRED
from fedsilo.config.problems import KeyPath
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.schema import (
    CONTRACTS,
    HEADING,
    NAMED,
    PLAIN,
    SECTIONS,
    Key,
    alternatives,
    fixed_size,
    is_list,
    is_mapping,
    is_section,
    item_type,
    keys,
    optional,
    selector,
)
from fedsilo.config.sections import Heading
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The version of JSON Schema that editors know best."""

INTERPOLATION, EXTERNAL, JOINED = r"\$\{", r":|\$\{", rf"\{registry.JOIN}"
"""Patterns of a value that is filled in, of a component's name that only the reader can look up, and of a
LEARNER+STRATEGY."""

Fields = dict[str, tuple[Any, Any]]
"""Type and pydantic field of each key."""

_Interpolation = TypeAliasType(
    "interpolation",
    Annotated[str, Field(pattern=INTERPOLATION, description="The value of another key: ${section.key}.")],
)
_ExternalName = Annotated[str, Field(pattern=EXTERNAL, description="package.module:Class")]


def make_schema() -> dict[str, Any]:
    """Makes the JSON Schema of scenario files.

    Returns:
        The schema as nested mappings that JSON can hold.
    """
    fields = {name: _field(keys(Heading)[name], _value(keys(Heading)[name])) for name in HEADING}
    about = keys(Heading)["name"].meaning
    fields["name"] = (_any_of(str, float), _described(about))  # a number is read as the text that it is written as
    fields["extends"] = (
        str,
        _described("Scenario file, relative to this one, whose keys hold where this one is silent."),
    )
    for section in SECTIONS:
        if section in CONTRACTS:
            fields[section] = (_named((section,)), _described(_first_line(CONTRACTS[section])))
        else:
            fields[section] = (_section((section,), PLAIN[section]), _described(_first_line(PLAIN[section])))
    model = _model("fedsilo scenario", fields)
    return {"$schema": DIALECT, **model.model_json_schema(schema_generator=_Generator)}


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of the keys' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _model(
    title: str, fields: Fields, about: str = "", extra: Literal["allow", "forbid"] = "forbid"
) -> type[BaseModel]:
    """The model of a mapping; keys are aliases, since some of them are names of pydantic's own methods."""
    numbered: Any = {
        f"key_{number}": Annotated[kind, Field(alias=name), info]
        for number, (name, (kind, info)) in enumerate(fields.items())
    }
    made: type[BaseModel] = create_model(
        title.replace(" ", "_").replace(".", "_"),
        __config__=ConfigDict(extra=extra, title=title),
        __doc__=about or None,
        **numbered,
    )
    return made


def _described(meaning: str) -> Any:
    return Field(default_factory=lambda: None, description=meaning or None)


def _field(key: Key, kind: Any) -> tuple[Any, Any]:
    """Type and field of a key that may be left out; values that JSON can hold are shown as its default."""
    default = list(key.default) if isinstance(key.default, tuple) else key.default
    if default is dataclasses.MISSING or dataclasses.is_dataclass(default) or key.usual:
        return kind, _described(key.meaning)
    return kind, Field(default=default, description=key.meaning or None)


@cache
def _section(path: KeyPath, cls: type[Any]) -> Any:
    """A section whose keys are always the same; it may be empty, and where it has a `name`, be that name alone."""
    fields = _fields(path, cls)
    model = _model(".".join(map(str, path)), fields, _first_line(cls))
    return _any_of(model, *([fields["name"][0]] if "name" in fields else []), None)


def _fields(path: KeyPath, cls: type[Any]) -> Fields:
    fields = {name: _field(key, _kind(path, key)) for name, key in keys(cls).items()}
    old = {key[-1]: (kind, meaning) for key, (kind, meaning) in RETIRED.items() if key[:-1] == path}
    return fields | {
        str(name): (kind, Field(default_factory=lambda: None, description=meaning, deprecated=True))
        for name, (kind, meaning) in old.items()
    }


def _kind(path: KeyPath, key: Key) -> Any:
    """The type of a key: a component, a section, or a value."""
    if key.usual:
        return _any_of(_named((*path, key.name)), None)
    return _value(key, path)


@cache
def _named(path: KeyPath) -> Any:
    """A component: its name alone, or a mapping with its name and its keys; keys alone are for one named elsewhere."""
    chooser, known = selector(path[-1]), _components(path)
    choices = [Literal[tuple(spelling for name in known for spelling in _spellings(name))], _ExternalName]
    if path == (METHOD,):
        inner = [cls for slot in USUAL for cls in _components((METHOD, slot)).values()]
        choices.append(Annotated[str, Field(pattern=JOINED, description="LEARNER+STRATEGY")])
        choices += _combinations()
    else:
        inner = []
    for component, cls in known.items():
        parts = _shared_fields(path, [cls, *inner]) if component == COMPOSED and inner else _fields(path, cls)
        spelled: Any = Literal[tuple(_spellings(component))]
        if component == COMPOSED and inner:
            spelled = _any_of(spelled, Annotated[str, Field(pattern=JOINED)])
        fields = {chooser: (spelled, Field(description=_first_line(cls))), **parts}
        choices.append(_model(f"{path[-1]} {component}", fields, _first_line(cls)))
    choices.append(_model(f"{path[-1]} unnamed", _shared_fields(path, [*known.values(), *inner])))
    choices.append(_external(f"{path[-1]} external", chooser))
    return TypeAliasType("_".join(map(str, path)), _any_of(*choices))


def _combinations() -> list[type[BaseModel]]:
    """Combinations with an external part, whose keys, which only that part knows, may stand beside its name."""
    return [
        _model(
            f"method of an external {slot}",
            {slot: (_any_of(_ExternalName, _external(f"external {slot}", "name")), Field())},
            extra="allow",
        )
        for slot in USUAL
    ]


def _external(title: str, chooser: str) -> type[BaseModel]:
    return _model(title, {chooser: (_ExternalName, Field())}, extra="allow")


@cache
def _components(path: KeyPath) -> Mapping[str, type[Any]]:
    found = {}
    for name in registry.names(NAMED[path]):
        with suppress(UnknownComponent):  # the reader says why where it is asked for
            found[name] = find_component(path, name)
    return found


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([name, name.replace("_", "-")]))


def _shared_fields(path: KeyPath, classes: Sequence[type[Any]]) -> Fields:
    """The keys of several components; one that several of them have may be what any of them takes."""
    found: dict[str, list[Key]] = {}
    for cls in classes:
        for name, key in keys(cls).items():
            found.setdefault(name, []).append(key)
    return {
        name: (_any_of(*(_kind(path, key) for key in same)), _described(same[0].meaning))
        for name, same in found.items()
    }


def _value(key: Key, path: KeyPath = ()) -> Any:
    """The type of what may stand for a key that names no component."""
    choices = [choice for hint in alternatives(key.type) for choice in _choices(hint, key, path)]
    plain = [hint for hint in alternatives(key.type) if not is_section(hint)]
    if plain and str not in choices and Any not in choices:
        choices.append(_Interpolation)
    if optional(key.type):
        choices.append(None)
    return _any_of(*choices)


def _choices(hint: Any, key: Key, path: KeyPath) -> list[Any]:
    """The types that stand for one alternative of a key's type."""
    if is_section(hint):
        return [_section((*path, key.name), hint)]
    if is_list(hint):
        inner = _value(dataclasses.replace(key, type=item_type(hint)), path)
        size = len(item_types) if fixed_size(hint) and (item_types := hint.__args__) else None
        return [Annotated[list[inner], Field(min_length=size, max_length=size)]]  # type: ignore[valid-type]
    if is_mapping(hint):
        inner = _value(dataclasses.replace(key, type=item_type(hint)), path)
        return [dict[str, inner]]  # type: ignore[valid-type]
    if hint in (int, float):
        return [_number(hint, key)]
    if hint is str and key.allowed:
        return [Literal[key.allowed]]
    return [hint if hint in (str, bool) else Any]


def _number(hint: type[Any], key: Key) -> Any:
    """A number in the key's range."""
    if key.within is None:
        return hint
    low, high = key.within.low, key.within.high
    ends = {"gt" if key.within.open_low else "ge": low, "lt" if key.within.open_high else "le": high}
    finite: Any = {name: hint(end) for name, end in ends.items() if abs(end) != float("inf")}
    return Annotated[hint, Field(**finite)]


def _any_of(*choices: Any) -> Any:
    return Union[choices]  # noqa: UP007  (as many as there are)


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
