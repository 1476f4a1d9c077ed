"""The scenario as an OmegaConf tree: typed defaults of the dataclasses, given values over them, `${...}` filled in.

Every given value is read back from the tree, so that interpolations are filled in and each value has the type that its
dataclass declares.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fedsilo.config.key_types import is_section
from fedsilo.config.layers import ScenarioLayer
from fedsilo.config.problems import KeyPath, join_path, show_value, suggest_nearest
from fedsilo.config.schema import PLAIN, SECTIONS, defaults, keys, selector
from fedsilo.config.sections import Heading
from fedsilo.core.errors import UnknownComponent

LONGEST = 300  # characters; the parser of interpolations is slow

_PREAMBLE = re.compile(r"While dereferencing interpolation '.*': |\w+ raised while resolving interpolation: ")

Complaint = Callable[[KeyPath, str], None]


def find_syntax_problem(text: str) -> str | None:
    """Checks the form of the `${...}` in a text.

    Args:
        text: The text.

    Returns:
        What is wrong; None when it can be read.
    """
    if len(text) > LONGEST:
        return f"an interpolation of more than {LONGEST} characters is not read."
    try:
        OmegaConf.create({"text": text})
    except Exception:  # antlr raises errors of its own, and the depth of nesting is not bounded
        return (
            f"is no interpolation, got {show_value(text)}. Write ${{section.key}}, or \\${{ for the characters "
            "themselves."
        )
    return None


def fill_in_name(text: str, layers: list[ScenarioLayer]) -> str:
    """Fills in the `${...}` of a component's name, from the layers and the defaults of plain sections.

    The types of keys are not known before the components are, so this reads the layers without checks.

    Args:
        text: The name.
        layers: The layers; a later one wins.

    Returns:
        The name without interpolations.

    Raises:
        UnknownComponent: The name cannot be filled in.
    """
    given = ScenarioLayer(
        {"seed": 0, **{section: OmegaConf.to_container(defaults(cls)) for section, cls in PLAIN.items()}}
    )
    for layer in layers:
        given.lay(layer)
    try:
        return str(OmegaConf.create({**given.values, " ": text})[" "])
    except Exception as error:  # see find_syntax_problem
        raise UnknownComponent(_unresolved(text, error, [])) from error


class ScenarioTree:
    """The whole scenario as one OmegaConf configuration, at its defaults first.

    Args:
        whole: The dataclass of the whole scenario.
    """

    def __init__(self, whole: type[Any]) -> None:
        sections = {section: keys(whole)[section].type for section in SECTIONS}
        parts = {name: defaults(cls) if is_section(cls) else {} for name, cls in sections.items()}
        self._root: Any = _open(copy.deepcopy(defaults(Heading)))
        self._root.update(parts)

    def name_components(self, names: Mapping[KeyPath, str]) -> None:
        """Writes the components' names into their sections and slots, so that `${method.name}` can be read.

        Args:
            names: Names by key path.
        """
        for path, name in names.items():
            node = self._root
            for key in path:
                node = _open(node[key]) if key in node else None
                if node is None:
                    break
            else:
                node[selector(path[-1])] = name

    def give(self, values: Mapping[Any, Any], complain: Complaint) -> None:
        """Lays checked values over the defaults.

        Args:
            values: Nested values.
            complain: Notes a problem at a key path.
        """
        try:
            self._root = OmegaConf.unsafe_merge(self._root, dict(values))
        except Exception:  # again one by one, to find the wrong one
            self._give_singly(values, complain)

    def _give_singly(self, values: Mapping[Any, Any], complain: Complaint) -> None:
        for key, value in values.items():
            try:
                self._root = OmegaConf.merge(self._root, {key: value})
            except Exception as error:  # a type that passes the checks and that OmegaConf cannot hold
                complain((key,), f"cannot be taken over: {_first_line(error)}.")

    def read(self, values: Mapping[str | int, Any], complain: Complaint, path: KeyPath = ()) -> dict[str | int, Any]:
        """Reads values from the tree, filled in and converted; notes a problem for each that cannot be.

        Args:
            values: The given values; their keys are read.
            complain: Notes a problem at a key path.
            path: Key path of the values.

        Returns:
            The same keys with the tree's values.
        """
        result = {}
        for key, value in values.items():
            here = (*path, key)
            try:
                result[key] = self._read(value, complain, here)
            except Exception as error:  # resolvers run foreign code
                complain(here, _unresolved(value, error, self._known()))
        return result

    def _read(self, value: Any, complain: Complaint, path: KeyPath) -> Any:
        """One value. Of a mapping, also one in a list, what was not given is left out: it has its default later."""
        if isinstance(value, dict):
            return self.read(value, complain, path)
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return [self._read(item, complain, (*path, number)) for number, item in enumerate(value)]
        return self._at(path)

    def _at(self, path: KeyPath) -> Any:
        node = self._root
        for part in path:
            node = node[part]
        return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node

    def _known(self) -> list[str]:
        sections = OmegaConf.to_container(self._root, resolve=False)
        assert isinstance(sections, dict)
        return [join_path(path) for path in _paths(sections, ())]


def _open(node: DictConfig) -> DictConfig:
    """Makes the node of a frozen dataclass changeable, and open for further keys."""
    OmegaConf.set_readonly(node, False)
    OmegaConf.set_struct(node, False)
    return node


def _paths(values: Mapping[Any, Any], path: KeyPath) -> list[KeyPath]:
    found: list[KeyPath] = []
    for key, value in values.items():
        found += _paths(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]
    return found


def _unresolved(value: object, error: Exception, known: list[str]) -> str:
    what = _first_line(error)
    words = what.split("'")
    near = suggest_nearest(words[1], known) if "not found" in what and len(words) > 2 else ""
    return f"{show_value(value)} cannot be filled in: {what}.{near}"


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it refers to itself"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _PREAMBLE.sub("", lines[0])[:200].strip('".')
