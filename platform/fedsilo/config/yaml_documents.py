"""Parses YAML text into plain values with the place of each; no other file parses YAML.

Some readings of YAML 1.1 surprise: `1e-3` is text, `010` is 8, `1:30` is 90, `2024-01-01` is a date, and of a key that
is given twice the last one silently wins. Here the first is a number, the next three are text (so that a key for
numbers refuses them), and the last is a problem. `no` stays false, as in every other YAML tool; checks report it where
a word was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fedsilo.config.problems import KeyPath, Problems, SourcePlace, show_value

MAX_CHARACTERS = 256 * 1024
MAX_VALUES = 20_000  # aliases can make a short text expand without end
MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"
_UNREAD = object()  # in the place of a value with a reported problem
_NUMBER = "-+0123456789."
PLAIN_WORDS = (
    ("bool", re.compile(r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"), "yYnNtTfFoO"),
    ("null", re.compile(r"~|null|Null|NULL|"), "~nN\0"),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*|0x[0-9a-fA-F]+)"), _NUMBER),
    (
        "float",
        re.compile(
            r"[-+]?(?:[0-9]+(?:_[0-9]+)*\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        _NUMBER,
    ),
)
"""Kind, form and first characters of words that are no text without quotes."""


class _Loader(yaml.SafeLoader):
    """A safe loader that reads plain words by `PLAIN_WORDS`."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (as in the parent)

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Stops at once where the scanner would spend seconds on thousands of open brackets."""
        if self.flow_level >= MAX_DEPTH:
            raise _UnreadableError(f"is nested more than {MAX_DEPTH} levels deep.")
        super().fetch_flow_collection_start(token)


for _kind, _form, _first in PLAIN_WORDS:
    _whole = re.compile(f"(?:{_form.pattern})$")
    _Loader.add_implicit_resolver(_TAG + _kind, _whole, ["" if c == "\0" else c for c in _first])


class _UnreadableError(Exception):
    """A fault after which the rest of a document has no meaning."""


def parse(text: str, origin: SourcePlace, problems: Problems) -> tuple[Any, dict[KeyPath, SourcePlace]]:
    """Parses a YAML text.

    Args:
        text: The document.
        origin: The source and layer. Its line is that of the first line of the text, 0 for a text without lines.
        problems: Gets what is wrong.

    Returns:
        The value, and the place of each of its parts by key path; the value is None, with a problem noted, if it cannot
        be read.
    """
    try:
        if len(text) > MAX_CHARACTERS:
            raise _UnreadableError(f"has {len(text)} characters, more than the {MAX_CHARACTERS} of a scenario.")
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        conversion = _Conversion(loader, origin, problems)
        value = conversion.value(node, ())
        return None if value is _UNREAD else value, conversion.places
    except yaml.YAMLError as error:
        line, what = _syntax(error)
        problems.give_up(_at(origin, line), (), what)
    except _UnreadableError as error:
        problems.give_up(origin, (), str(error))
    except RecursionError:  # block nesting; flow nesting is stopped by the loader
        problems.give_up(origin, (), f"is nested more than {MAX_DEPTH} levels deep.")
    return None, {}


def _at(origin: SourcePlace, line: int, written: str = "") -> SourcePlace:
    """Makes the place of a node in line `line` (from 0) of a text that begins at `origin`."""
    return SourcePlace(origin.source, origin.line + line if origin.line else 0, origin.layer, written)


def _syntax(error: yaml.YAMLError) -> tuple[int, str]:
    """Returns the line (from 0) and the description of a syntax error."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        if error.context == "expected a single document in the stream":
            return error.problem_mark.line, "a second document begins here. Give one scenario per file, without '---'."
        what = " ".join(str(error.problem).split()).rstrip(".")
        if "'\\t'" in what:
            return error.problem_mark.line, "not YAML: a tab. Indent with spaces."
        hint = (
            " Check the indentation, and quote text that has ': ' in it." if what.startswith("mapping values") else ""
        )
        return error.problem_mark.line, f"not YAML: {what}.{hint}"
    if isinstance(error, yaml.reader.ReaderError):
        return 0, f"not YAML: character {error.character!r} at position {error.position} is not allowed."
    return 0, f"not YAML: {' '.join(str(error).split())}."


class _Conversion:
    """Converts the nodes of one document to plain values, and notes their places."""

    def __init__(self, loader: _Loader, origin: SourcePlace, problems: Problems) -> None:
        self.places: dict[KeyPath, SourcePlace] = {}
        self._loader, self._origin, self._problems = loader, origin, problems
        self._count = 0

    def value(self, node: Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _UnreadableError(f"has more than {MAX_VALUES} values, aliases written out. That is no scenario.")
        if len(path) > MAX_DEPTH:
            raise _UnreadableError(f"is nested more than {MAX_DEPTH} levels deep. Does an alias contain itself?")
        self.places[path] = self._place(node)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, SequenceNode):
            items = [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return [item for item in items if item is not _UNREAD]
        assert isinstance(node, MappingNode)
        values = {key: self.value(item, (*path, key)) for key, item in self._entries(node, path)}
        return {key: value for key, value in values.items() if value is not _UNREAD}

    def _entries(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str | int, Node]]:
        first: dict[str | int, int] = {}
        for key_node, item in node.value:
            key, place = self._key(key_node), self._place(key_node)
            if key is None:
                what = f"a key must be a word, got {place.written or 'a list or mapping'}.{_quote(place.written)}"
                self._problems.add(place, path, what)
            elif key == "<<":
                self._problems.add(place, path, "'<<' is not read. Use 'extends: other.yaml', or ${section.key}.")
            elif key in first:
                what = f"given twice, first in line {first[key]}." if place.line else "given twice."
                self._problems.add(place, (*path, key), f"{what} Keep one.")
            else:
                first[key] = place.line
                yield key, item

    def _key(self, node: Node) -> str | int | None:
        if not isinstance(node, ScalarNode):
            return None
        key = self._construct(node)
        return key if isinstance(key, (str, int)) and not isinstance(key, bool) else None

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        if node.tag not in {_TAG + kind for kind in ("bool", "null", "int", "float", "str")}:
            tag = node.tag.replace(_TAG, "!!")
            self._problems.add(self._place(node), path, f"the tag {tag} is not read. Write the plain value.")
            return _UNREAD
        return self._construct(node)

    def _construct(self, node: ScalarNode) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, yaml.YAMLError):  # such as `!!int ten`, or a number of thousands of digits
            return node.value

    def _place(self, node: Node) -> SourcePlace:
        plain = isinstance(node, ScalarNode) and node.style is None
        return _at(self._origin, node.start_mark.line, show_value(node.value)[1:-1] if plain else "")


def _quote(written: str) -> str:
    return f' Quote it: "{written}".' if written else ""
