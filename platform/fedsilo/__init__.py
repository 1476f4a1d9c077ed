"""fedsilo: cross-silo federated learning of prompts for a frozen CLIP.

import fedsilo
run = fedsilo.run("scenarios/quickstart.yaml", seed=1, training={"rounds": 3})
run.results                      # a pandas table: chance, zero-shot, references, the method
fedsilo.load(run.folder).rounds  # the same from the folder, later
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsilo.results import Run

__version__ = "0.1.0"
__all__ = ["__version__", "load", "run"]


def run(scenario: str | Path | Mapping[str, Any], **overrides: Any) -> Run:
    """Runs a scenario and returns the finished run.

    Args:
        scenario: Path of a scenario file, or its content as nested mappings.
        overrides: Sections or keys that replace the scenario's, for example `seed=1, training={"rounds": 3}`; keys
            with a dot are given as `**{"training.rounds": 3}`.

    Raises:
        FedsiloError: Anything the user can act on; see `fedsilo.errors`.
    """
    from fedsilo.running import begin, go
    from fedsilo.scenario.reading import from_mapping, read

    if isinstance(scenario, Mapping):
        return go(begin(from_mapping(scenario, overrides)))
    return go(begin(read(scenario, overrides)))


def load(folder: str | Path) -> Run:
    """Returns the run in a folder, finished or not. Raises RunError when there is none."""
    from fedsilo.results import load as load_run

    return load_run(folder)
