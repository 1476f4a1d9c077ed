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


def read_starter(name: str = STUDY) -> str:
    """Returns the text of a commented starter scenario.

    Args:
        name: The scenario's name, and the expected name of its file.

    Raises:
        ScenarioError: The name cannot be that of a run folder.
    """
    problems = find_name_problems(name)
    if problems:
        raise ScenarioError(problems[0])
    text = FILE.read_text(encoding="utf-8")
    return text.replace(f"name: {STUDY}", f"name: {dump_line(name)}").replace(f"{STUDY}.yaml", f"{name}.yaml")
