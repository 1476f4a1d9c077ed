"""fedsilo: cross-silo federated learning of prompts for a frozen CLIP.

import fedsilo
run = fedsilo.run("scenarios/quickstart.yaml", seed=1, training={"rounds": 3})
run.results                      # a pandas table: chance, zero-shot, references, the method
fedsilo.load(run.folder).rounds  # the same from the folder, later
fedsilo.compare("scenarios/quickstart.yaml", methods=["promptfl", "local"], seeds=[0, 1, 2])  # a pandas table
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from fedsilo.report.results.finished_run import Run

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "load", "run"]


def run(scenario: str | Path | Mapping[str, Any], **overrides: Any) -> Run:
    """Runs a scenario.

    Args:
        scenario: Path of a scenario file, or its content as nested mappings.
        **overrides: Sections or keys that replace the scenario's, for example `seed=1, training={"rounds": 3}`; keys
            with a dot are given as `**{"training.rounds": 3}`.

    Returns:
        The finished run.

    Raises:
        FedsiloError: Anything the user can act on; see `fedsilo.core.errors`.
    """
    from fedsilo.config.scenario_reading import from_mapping, read
    from fedsilo.runs.run import begin, go

    if isinstance(scenario, Mapping):
        return go(begin(from_mapping(scenario, overrides)))
    return go(begin(read(scenario, overrides)))


def load(folder: str | Path) -> Run:
    """Opens the run in a folder, finished or not.

    Args:
        folder: The run's folder.

    Returns:
        The run.

    Raises:
        RunError: There is no run in the folder.
    """
    from fedsilo.report.results.finished_run import load as load_run

    return load_run(folder)


def compare(
    scenario: str | Path | Mapping[str, Any] | Sequence[str | Path],
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    seeds: Sequence[int] = (),
    vary: Mapping[str, Sequence[Any]] | None = None,
    root: str | Path | None = None,
    jobs: int = 1,
    **overrides: Any,
) -> pd.DataFrame:
    """Runs a scenario with several methods, seeds or values, as far as that has not been done, and compares.

    Args:
        scenario: Path of a scenario file, or its content as nested mappings. Or folders of runs, or a folder that holds
            them: these are compared as they are, and nothing is run.
        methods: Names of methods, "all" for every one that trains; a mapping gives single methods keys of their own,
            for example `{"promptfl": {}, "local": {"training.local_epochs": 2}}`. The scenario's own by default.
        seeds: Seeds; the scenario's own by default.
        vary: Values by key, for example `{"privacy.epsilon": [0.4, 0.1]}`.
        root: The comparison's folder; by default one that belongs to the scenario's name, below `tracking.root`.
        jobs: Runs side by side, each in a process of its own.
        **overrides: Sections or keys that replace the scenario's in all runs.

    Returns:
        One row per method and varied value, under chance and zero-shot: accuracies in [0, 1] as means over seeds, with
        deviations as `<measure>_std`; `failed` says by seed why a run did not finish. `attrs["notes"]` are lines that
        a reader should know, for example that all rows have the same partitions.

    Raises:
        FedsiloError: Anything the user can act on, other than a single run that fails.
    """
    from fedsilo.runs.comparison.compare import compare_folders, compare_grid
    from fedsilo.runs.comparison.sweep import build_sweep

    folders = _folders(scenario)
    if folders:
        found = compare_folders(folders)
    else:
        assert not isinstance(scenario, Sequence) or isinstance(scenario, str)
        grid = build_sweep(scenario, overrides, methods, seeds, vary or {})
        found = compare_grid(grid, None if root is None else Path(root), jobs).standings
    frame = found.frame
    frame.attrs["notes"] = list(found.notes)
    return frame


def _folders(given: str | Path | Mapping[str, Any] | Sequence[str | Path]) -> list[Path]:
    """The folders of runs that are given; none where a scenario is."""
    if isinstance(given, (str, Path)):
        return [Path(given)] if Path(given).is_dir() else []
    return [] if isinstance(given, Mapping) else [Path(folder) for folder in given]
