"""Reads scenario files and Python mappings into a checked `Scenario`.

    sources (files, overrides) -> layers -> one mapping -> check -> fill in `${...}` -> check -> sections -> Scenario

Every step notes what is wrong and goes on with the rest, so that one reading reports all problems of a scenario.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedsilo.config.layer_sources import Changes, Variant, read_base_file, read_changes, read_file_layers, read_mapping
from fedsilo.config.layers import ScenarioLayer
from fedsilo.config.problems import Problems, SourcePlace
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import OldKeyWarning, ScenarioError

_BELOW_ALL_FILES = -1000

Notify = Callable[[str], None]


def warn_of_old_key(line: str) -> None:
    """Warns of a key of an earlier version.

    Args:
        line: Where it is, and its name today.
    """
    warnings.warn(line, OldKeyWarning, stacklevel=2)


def read(
    path: str | os.PathLike[str],
    overrides: Changes = (),
    base: Mapping[str, Any] | None = None,
    variant: Variant | None = None,
    notify: Notify = warn_of_old_key,
) -> Scenario:
    """Reads the scenario of a file.

    Args:
        path: The YAML file. It may extend another one (`extends: other.yaml`, relative to the file).
        overrides: Changes that win over the file: `key.path=value` as on the command line, or a mapping.
        base: Values for keys that the file and its bases do not have, nested or with dotted keys.
        variant: Which of several scenarios that are made from the file; its changes win over the overrides.
        notify: Gets one line for each key of an earlier version, which is read as the key of today.

    Returns:
        The scenario.

    Raises:
        ScenarioError: With every problem found. Nothing has been written.
    """
    if not os.fspath(path).strip():
        raise ScenarioError("scenario: no file is named. Give the path of a scenario file.")
    problems, file = Problems(), Path(path)
    origin = SourcePlace(str(file))
    layers = read_file_layers(file, problems)
    if base:
        layers.insert(0, read_mapping(base, SourcePlace("defaults", 0, _BELOW_ALL_FILES), problems))
    layers.append(read_changes(overrides, problems))
    stem = re.sub(r"[^\w.\-]+", "-", file.stem).strip("-.")[:100]
    return _assembled(problems, origin, variant, layers, stem or "scenario", notify)


def from_mapping(mapping: Mapping[str, Any], overrides: Changes = (), variant: Variant | None = None) -> Scenario:
    """Reads the scenario of a Python mapping, nested or with dotted keys (`{"training.rounds": 3}`), or both.

    Args:
        mapping: The content of a file; `extends` is searched from the current folder.
        overrides: Changes that win over the mapping: `key.path=value` texts, or a mapping.
        variant: Which of several scenarios that are made from the mapping.

    Returns:
        The scenario.

    Raises:
        ScenarioError: With every problem found.
    """
    problems, origin = Problems(), SourcePlace("scenario")
    layer = read_mapping(mapping, origin, problems)
    layers = [*read_base_file(layer, origin, problems), layer, read_changes(overrides, problems)]
    return _assembled(problems, origin, variant, layers, "scenario", warn_of_old_key)


def _assembled(
    problems: Problems,
    origin: SourcePlace,
    variant: Variant | None,
    layers: list[ScenarioLayer],
    name: str,
    notify: Notify,
) -> Scenario:
    """Makes the scenario of the layers; where a source cannot be read, imports nothing for it."""
    if problems.hopeless:
        problems.refuse()
    from fedsilo.config.assembly import Assembly

    try:
        return Assembly(problems, origin, variant).scenario(layers, name)
    finally:
        for line in problems.notices:
            notify(line)
