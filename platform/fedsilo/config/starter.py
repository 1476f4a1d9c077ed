"""A first scenario to change: every key with its default and its meaning.

Its text is kept beside this file, since the descriptions of components import torch; `starter_text.py` composes it.
"""

from __future__ import annotations

from pathlib import Path

from fedsilo.config.problems import find_name_problems
from fedsilo.config.yaml_writing import dump_line
from fedsilo.core.errors import ScenarioError

STUDY = "my-study"
"""Name of the scenario in the file."""

FILE = Path(__file__).with_suffix(".yaml")

SCHEMA_FILE = "fedsilo.schema.json"
"""Usual name of the JSON Schema of scenario files, see `fedsilo schema`."""

SCHEMA_LINE = "# yaml-language-server: $schema="
"""Beginning of the line by which a scenario file names its schema, for editors."""


def read_starter(name: str = STUDY, schema: str = "") -> str:
    """Reads the text of a commented starter scenario.

    Args:
        name: The scenario's name, and the expected name of its file.
        schema: Path of the JSON Schema that editors check the file with; "" for none.

    Returns:
        The text of a YAML file.

    Raises:
        ScenarioError: The name cannot be that of a run folder.
    """
    problems = find_name_problems(name)
    if problems:
        raise ScenarioError(problems[0])
    text = f"{SCHEMA_LINE}{schema}\n" * bool(schema) + FILE.read_text(encoding="utf-8")
    return text.replace(f"name: {STUDY}", f"name: {dump_line(name)}").replace(f"{STUDY}.yaml", f"{name}.yaml")
