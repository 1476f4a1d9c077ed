"""JSON Schema of scenario files, with which editors complete keys and mark mistakes.

The schema is made of the keys that the reader of scenario files accepts (`schema.keys`), through pydantic models. It
accepts all that the reader accepts in one file, and more: keys that a file inherits by `extends` are not known to it,
and contradictions between sections are found by `fedsilo validate` only.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypeAliasType

from fedsilo.config.key_types import alternatives, fixed_size, is_list, is_mapping, is_section, item_type, optional
from fedsilo.config.layer_merging import COMPOSED, METHOD, USUAL
from fedsilo.config.old_keys import RENAMED_COMPONENTS, RENAMED_KEYS
from fedsilo.config.problems import KeyPath
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.schema import CONTRACTS, HEADING, NAMED, PLAIN, SECTIONS, Key, keys, selector
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

Interpolation = TypeAliasType(
    "Interpolation",
    Annotated[str, Field(pattern=INTERPOLATION, description="The value of another key: ${section.key}.")],
)
_ExternalName = Annotated[str, Field(pattern=EXTERNAL, description="package.module:Class")]
_JoinedName = Annotated[str, Field(pattern=JOINED, description="LEARNER+STRATEGY")]


def make_schema() -> dict[str, Any]:
    """Makes the JSON Schema of scenario files.

    Returns:
        The schema as nested mappings that JSON can hold.
    """
    models = _Models()
    fields = {name: _optional_key(keys(Heading)[name], models.value(keys(Heading)[name], ())) for name in HEADING}
    about = keys(Heading)["name"].meaning
    fields["name"] = (_any_of(str, float), _left_out(about))  # a number is read as the text that it is written as
    fields["extends"] = (
        str,
        _left_out("Scenario file, relative to this one, whose keys hold where this one has none."),
    )
    for section in SECTIONS:
        if section in CONTRACTS:
            fields[section] = (models.component((section,)), _left_out(_first_line(CONTRACTS[section])))
        else:
            fields[section] = (models.section((section,), PLAIN[section]), _left_out(_first_line(PLAIN[section])))
    fields |= _old_keys((), {name: kind for name, (kind, _) in fields.items()})
    model = _model("fedsilo scenario", fields)
    return {"$schema": DIALECT, **model.model_json_schema(schema_generator=_Generator)}


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of the keys' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _Models:
    """Makes one pydantic model for each section and component."""

    def __init__(self) -> None:
        self._made: dict[KeyPath, Any] = {}

    def section(self, path: KeyPath, cls: type[Any]) -> Any:
        """A section whose keys are always the same; it may be empty, and where it has a `name`, be that name alone."""
        if path not in self._made:
            fields = self._fields(path, cls)
            model = _model(".".join(map(str, path)), fields, _first_line(cls))
            self._made[path] = _any_of(model, *([fields["name"][0]] if "name" in fields else []), None)
        return self._made[path]

    def component(self, path: KeyPath) -> Any:
        """A component: its name, or a mapping with its name and its keys; keys alone are for one named elsewhere."""
        if path not in self._made:
            known = _find_components(path)
            names = tuple(spelling for name in known for spelling in _spellings(path, name))
            choices: list[Any] = [Literal[names], _ExternalName, *(self._combinations if path == (METHOD,) else ())]
            choices += [self._named(path, name, cls) for name, cls in known.items()]
            others = list(known.values()) + (self._inner if path == (METHOD,) else [])
            choices.append(_model(f"{path[-1]} unnamed", self._shared_fields(path, others)))
            choices.append(_external(f"{path[-1]} external", selector(path[-1])))
            self._made[path] = TypeAliasType("_".join(map(str, path)), _any_of(*choices))
        return self._made[path]

    def value(self, key: Key, path: KeyPath) -> Any:
        """The type of a key in the section at `path`, if it names no component."""
        choices = [choice for hint in alternatives(key.type) for choice in self._choices(hint, key, path)]
        plain = [hint for hint in alternatives(key.type) if not is_section(hint)]
        if plain and str not in choices and Any not in choices:
            choices.append(Interpolation)
        return _any_of(*choices, *([None] if optional(key.type) else []))

    def _named(self, path: KeyPath, name: str, cls: type[Any]) -> type[BaseModel]:
        """A component with its name; beside the names of a learner and a strategy the keys of both may stand."""
        spelled: Any = Literal[tuple(_spellings(path, name))]
        fields = self._fields(path, cls)
        if (path, name) == ((METHOD,), COMPOSED):
            spelled = _any_of(spelled, _JoinedName)
            fields = self._shared_fields(path, [cls, *self._inner])
        about = _first_line(cls)
        return _model(f"{path[-1]} {name}", {selector(path[-1]): (spelled, Field(description=about)), **fields}, about)

    @property
    def _inner(self) -> list[type[Any]]:
        """All learners and strategies."""
        return [cls for slot in USUAL for cls in _find_components((METHOD, slot)).values()]

    @cached_property
    def _combinations(self) -> list[Any]:
        """LEARNER+STRATEGY, and mappings with an external part, which may have keys that only this part knows."""
        externals = {slot: _any_of(_ExternalName, _external(f"external {slot}", "name")) for slot in USUAL}
        mappings = [
            _model(f"method of an external {slot}", {slot: (kind, Field())}, extra="allow")
            for slot, kind in externals.items()
        ]
        return [_JoinedName, *mappings]

    def _fields(self, path: KeyPath, cls: type[Any]) -> Fields:
        fields = {name: _optional_key(key, self._kind(path, key)) for name, key in keys(cls).items()}
        return fields | _old_keys(path, {name: kind for name, (kind, _) in fields.items()})

    def _shared_fields(self, path: KeyPath, classes: Sequence[type[Any]]) -> Fields:
        """The keys of several components; a key that several of them have takes the values of all of them."""
        found: dict[str, list[Key]] = {}
        for cls in classes:
            for name, key in keys(cls).items():
                found.setdefault(name, []).append(key)
        return {
            name: (_any_of(*(self._kind(path, key) for key in same)), _left_out(same[0].meaning))
            for name, same in found.items()
        }

    def _kind(self, path: KeyPath, key: Key) -> Any:
        return _any_of(self.component((*path, key.name)), None) if key.usual else self.value(key, path)

    def _choices(self, hint: Any, key: Key, path: KeyPath) -> list[Any]:
        """The types that stand for one alternative of a key's type."""
        if is_section(hint):
            return [self.section((*path, key.name), hint)]
        if is_list(hint) or is_mapping(hint):
            inner = self.value(dataclasses.replace(key, type=item_type(hint)), path)
            if is_mapping(hint):
                return [dict[str, inner]]  # type: ignore[valid-type]
            size = len(hint.__args__) if fixed_size(hint) else None
            return [Annotated[list[inner], Field(min_length=size, max_length=size)]]  # type: ignore[valid-type]
        if hint in (int, float):
            return [_number(hint, key)]
        if hint is str and key.allowed:
            return [Literal[key.allowed]]
        return [hint if hint in (str, bool) else Any]


def _model(
    title: str, fields: Fields, about: str = "", extra: Literal["allow", "forbid"] = "forbid"
) -> type[BaseModel]:
    """The model of a mapping; keys are aliases, since some of them are names of pydantic's own methods."""
    numbered: Any = {
        f"key_{number}": Annotated[kind, Field(alias=name), info]
        for number, (name, (kind, info)) in enumerate(fields.items())
    }
    name = title.replace(" ", "_").replace(".", "_")
    config = ConfigDict(extra=extra, title=title)
    made: type[BaseModel] = create_model(name, __config__=config, __doc__=about or None, **numbered)
    return made


def _external(title: str, chooser: str) -> type[BaseModel]:
    return _model(title, {chooser: (_ExternalName, Field())}, extra="allow")


def _optional_key(key: Key, kind: Any) -> tuple[Any, Any]:
    """Type and field of a key, with its default where JSON can hold it."""
    default = list(key.default) if isinstance(key.default, tuple) else key.default
    if default is dataclasses.MISSING or dataclasses.is_dataclass(default) or key.usual:
        return kind, _left_out(key.meaning)
    return kind, Field(default=default, description=key.meaning or None)


def _left_out(meaning: str, deprecated: bool = False) -> Any:
    """The field of a key that may be missing, without a default to show."""
    return Field(default_factory=lambda: None, description=meaning or None, deprecated=deprecated or None)


def _number(hint: type[Any], key: Key) -> Any:
    """A number in the key's range."""
    if key.within is None:
        return hint
    low, high = key.within.low, key.within.high
    ends = {"gt" if key.within.open_low else "ge": low, "lt" if key.within.open_high else "le": high}
    finite: Any = {name: hint(end) for name, end in ends.items() if math.isfinite(end)}
    return Annotated[hint, Field(**finite)]


def _find_components(path: KeyPath) -> Mapping[str, type[Any]]:
    found = {}
    for name in registry.names(NAMED[path]):
        with suppress(UnknownComponent):  # the reader reports why when the name is used
            found[name] = find_component(path, name)
    return found


def _spellings(path: KeyPath, name: str) -> list[str]:
    """The names that the reader accepts for a component: with hyphens too, and those of earlier versions."""
    before = RENAMED_COMPONENTS.get(str(path[0]), {}) if len(path) == 1 else {}
    return list(dict.fromkeys([name, name.replace("_", "-"), *(old for old, new in before.items() if new == name)]))


def _old_keys(path: KeyPath, kinds: Mapping[str, Any]) -> Fields:
    """The keys of earlier versions in a section, marked as deprecated; `kinds` are the types of its keys of today."""
    return {
        str(key.old[-1]): (kinds[key.name] if key.values is None else bool, _left_out(key.meaning, deprecated=True))
        for key in RENAMED_KEYS
        if key.old[:-1] == path and key.name in kinds
    }


def _any_of(*choices: Any) -> Any:
    return Union[choices]  # noqa: UP007  (as many as there are)


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
