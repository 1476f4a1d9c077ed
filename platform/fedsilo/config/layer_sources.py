"""Reads the sources of a scenario into layers: files with the files that they extend, overrides, Python mappings."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fedsilo.config.layers import ScenarioLayer, SourceLayer, unfold_names
from fedsilo.config.old_keys import refuse_double_keys, rename_old_keys
from fedsilo.config.problems import KeyPath, Problems, SourcePlace, show_value, suggest_nearest
from fedsilo.config.yaml_documents import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, parse

COMMAND_LINE = 1  # position of overrides among the layers; the file has 0, the files that it extends -1, -2, ...

Changes = Sequence[str] | Mapping[str, Any]
"""Changes that win over a scenario: `key.path=value` texts, or a mapping, nested or with dotted keys."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several scenarios that are made from the same source and compared.

    Attributes:
        method: Name of its method; "" for the scenario's own.
        among: All methods that are compared: a key that one of them has is no mistake in the others.
        shared: Changes for all of them; keys of `method` that this one lacks are dropped.
        own: Changes for this one.
    """

    method: str = ""
    among: tuple[str, ...] = ()
    shared: tuple[Changes, ...] = ()
    own: tuple[Changes, ...] = ()


def read_file_layers(path: Path, problems: Problems) -> list[ScenarioLayer]:
    """Reads the layers of a scenario file.

    Args:
        path: The file. A file that it extends is searched beside it.
        problems: Gets what cannot be read, and circles of `extends`.

    Returns:
        The layers: the most basic file first, the file itself last.
    """
    layers: list[ScenarioLayer] = []
    chain: list[Path] = []
    asked = SourcePlace(str(path))
    key: KeyPath = ()
    while True:
        origin = SourcePlace(str(path), 1, -len(chain))
        text = _text(path, key, asked, problems)
        if text is None:
            return layers
        parsed = parse(text, origin, problems)
        if _is_void(parsed[0]) and not problems.lines():
            what = _void(parsed[0], text)
            problems.give_up(
                origin, (), f"{what}. Write what differs from the defaults, or begin with: fedsilo new FILE."
            )
            return layers
        layer = _layer(parsed, origin, problems)
        layers.insert(0, layer)
        chain.append(path)
        asked, key = layer.place(("extends",)) or asked, ("extends",)
        base = _base(layer, path, asked, problems)
        if base is None:
            return layers
        if any(_same(base, earlier) for earlier in chain):
            names = " -> ".join(str(p) for p in [*chain, base])
            problems.give_up(asked, key, f"goes in a circle: {names}.")
            return layers
        path = base


def _is_void(value: Any) -> bool:
    """Whether a file's value says nothing: no key, or sections with nothing in them."""
    return value is None or (isinstance(value, dict) and all(inner == {} for inner in unfold_names(value).values()))


def _void(value: Any, text: str) -> str:
    """What is missing in a file that says nothing."""
    if value:
        return "has no value in it, only empty sections"
    return "has no key in it" if text.strip() else "is empty"


def read_overrides(overrides: Sequence[str], problems: Problems) -> ScenarioLayer:
    """Reads overrides of the command line; a later one wins.

    Args:
        overrides: Texts `key.path=value`; values are written as in a file.
        problems: Gets what cannot be read.

    Returns:
        The layer.
    """
    origin = SourcePlace("command line", 0, COMMAND_LINE)
    layer = SourceLayer(origin, problems)
    for text in overrides:
        key, equals, written = text.partition("=")
        path = _key_path(key.strip())
        if not equals or path is None:
            problems.add(origin, (), f"{show_value(text)} is no override. Write key=value, as in training.rounds=3.")
            continue
        if path == ("extends",):
            problems.add(origin, path, "is for files only. Give that file as the scenario.")
            continue
        found = Problems()
        value, places = parse(written, origin, found) if written.strip() else ("", {})
        for line in found.lines():
            problems.add(origin, path, line.removeprefix("command line: "))
        if not found.lines():
            layer.lay(_nested(path, value, origin, places))
    return layer.close()


def read_changes(changes: Changes, problems: Problems) -> ScenarioLayer:
    """Reads changes that win over a scenario.

    Args:
        changes: Texts `key.path=value`, or a mapping.
        problems: Gets what cannot be read.

    Returns:
        The layer.
    """
    if isinstance(changes, Mapping):
        return read_mapping(changes, SourcePlace("overrides", 0, COMMAND_LINE), problems)
    return read_overrides(changes, problems)


def read_mapping(mapping: Mapping[Any, Any], origin: SourcePlace, problems: Problems) -> ScenarioLayer:
    """Reads a Python mapping: nested, with dotted keys, or both; a later key wins.

    Args:
        mapping: The mapping.
        origin: The place for messages.
        problems: Gets what cannot be read.

    Returns:
        The layer.
    """
    layer, values = SourceLayer(origin, problems), _PythonValues(origin, problems)
    for key, value in mapping.items():
        path = _key_path(key) if isinstance(key, str) else None
        if path is None:
            problems.add(origin, (), f"a key must be a word, got {show_value(key)}.")
            continue
        layer.lay(_nested(path, values.plain(value, path), origin))
    return layer.close()


def read_base_file(layer: ScenarioLayer, origin: SourcePlace, problems: Problems) -> list[ScenarioLayer]:
    """Reads the file that a Python mapping extends, which is searched from the current folder.

    Args:
        layer: The mapping's layer; its key `extends` is removed.
        origin: The place for messages.
        problems: Gets what cannot be read.

    Returns:
        The layers of the file; empty where none is extended.
    """
    base = _base(layer, Path("scenario"), origin, problems)
    return read_file_layers(base, problems) if base else []


def _layer(parsed: tuple[Any, dict[KeyPath, SourcePlace]], origin: SourcePlace, problems: Problems) -> ScenarioLayer:
    value, places = parsed
    if isinstance(value, dict):
        refuse_double_keys(value, places, origin, problems)
        return ScenarioLayer(*rename_old_keys(value, places, origin, problems))
    if value is not None:
        problems.give_up(origin, (), f"must hold keys such as 'seed: 0', got {show_value(value)}.")
    return ScenarioLayer()


def _text(path: Path, key: KeyPath, asked: SourcePlace, problems: Problems) -> str | None:
    """Reads the file's text; None, with a problem noted at the place that names the file, if that is impossible."""
    subject = f"'{path}' " if key else ""
    try:
        if not str(path).strip() or path.is_dir():
            problems.give_up(asked, key, f"{subject}is a folder, not a scenario file.")
        elif not path.exists():
            problems.give_up(asked, key, f"{subject}{_missing(path, bool(key))}")
        elif not path.is_file():
            problems.give_up(asked, key, f"{subject}is not a plain file.")
        elif path.stat().st_size > 4 * MAX_CHARACTERS:
            problems.give_up(asked, key, f"{subject}has {path.stat().st_size} bytes. That is no scenario.")
        else:
            return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.give_up(
            asked, key, f"{subject}is not UTF-8 text: byte {error.object[error.start]:#x} at {error.start}."
        )
    except (OSError, ValueError) as error:
        problems.give_up(asked, key, f"{subject}cannot be read: {getattr(error, 'strerror', None) or error}.")
    return None


def _missing(path: Path, extended: bool) -> str:
    """What to say of a file that does not exist."""
    if path.is_symlink():
        return f"is a link to '{os.readlink(path)}', where there is no file. Correct the link."
    if "=" in path.name and not extended:
        return "is a change of a key. Name the scenario file before it."
    near = suggest_nearest(path.name, _neighbours(path.parent))
    return f"does not exist.{near}" if extended else f"there is no such file.{near}"


def _neighbours(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
    except OSError:
        return []


def _base(layer: ScenarioLayer, path: Path, asked: SourcePlace, problems: Problems) -> Path | None:
    if "extends" not in layer.values:
        return None
    name = layer.values.pop("extends")
    if isinstance(name, str) and name.strip():
        return path.parent / name
    problems.give_up(asked, ("extends",), f"must be the name of a scenario file, got {show_value(name)}.")
    return None


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _key_path(dotted: str) -> KeyPath | None:
    """Splits a dotted key; None if a part is empty. Digits become a client's number, as in a file."""
    parts = dotted.split(".")
    if not all(parts):
        return None
    return tuple(int(part) if part.isascii() and part.isdecimal() and len(part) < 10 else part for part in parts)


def _nested(
    path: KeyPath, value: Any, origin: SourcePlace, places: Mapping[KeyPath, SourcePlace] = MappingProxyType({})
) -> ScenarioLayer:
    """Makes a layer with one value at a key path; `places` are those inside the value."""
    for part in reversed(path):
        value = {part: value}
    around = {path[:length]: origin for length in range(1, len(path) + 1)}
    return ScenarioLayer(value, around | {(*path, *inside): place for inside, place in places.items()})


class _PythonValues:
    """Converts Python values to those that YAML gives; notes a problem where that is impossible."""

    def __init__(self, origin: SourcePlace, problems: Problems) -> None:
        self._origin, self._problems, self._count = origin, problems, 0

    def plain(self, value: Any, path: KeyPath) -> Any:
        self._count += 1
        if len(path) > MAX_DEPTH or self._count > MAX_VALUES:
            limit = (
                f"more than {MAX_DEPTH} levels deep" if len(path) > MAX_DEPTH else f"of more than {MAX_VALUES} values"
            )
            return self._refused(path[:1], f"is {limit}. That is no scenario.")
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, numbers.Real):
            return int(value) if isinstance(value, numbers.Integral) else float(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, Mapping):
            return {key: self.plain(item, (*path, key)) for key, item in value.items() if self._is_key(key, path)}
        if isinstance(value, (list, tuple)):
            return [self.plain(item, (*path, i)) for i, item in enumerate(value)]
        return self._refused(path, f"cannot be of type {type(value).__name__}. Give a number, text, list or mapping.")

    def _is_key(self, key: Any, path: KeyPath) -> bool:
        if isinstance(key, (str, int)) and not isinstance(key, bool):
            return True
        self._refused(path, f"a key must be a word, got {show_value(key)}.")
        return False

    def _refused(self, path: KeyPath, what: str) -> None:
        self._problems.add(self._origin, path, what)
