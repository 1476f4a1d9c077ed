"""A finished or interrupted run, read back from its folder: tables, states, predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core import Candidates, Measures
from fedsilo.core.errors import RunError
from fedsilo.core.metrics import read_measures
from fedsilo.core.registry import title_of
from fedsilo.partitioning.manifest import Manifest
from fedsilo.storage.candidates_file import read_candidates
from fedsilo.storage.checkpoints import Checkpoint, Checkpoints
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, WIRE, find_run_folder, read_json, read_lines

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image
    from torch import Tensor


Warn = Callable[[str], None]


def _keep_silent(line: str) -> None:
    """Drops a notice of an old key."""


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)


@dataclass(frozen=True)
class Run:
    """One run's folder as Python objects.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @cached_property
    def scenario(self) -> Scenario:
        """The run's scenario, with all values resolved."""
        return read(self.folder / "scenario.yaml", notify=_keep_silent)  # a run's folder is not for users to edit

    @cached_property
    def manifest(self) -> Manifest:
        """The partition."""
        return Manifest.read(self.folder / "partition.json")

    @cached_property
    def candidates(self) -> Candidates:
        """The candidates that scores are over: the classes, or pairs with their words."""
        return read_candidates(self.folder, self.manifest.classes)

    @property
    def finished(self) -> bool:
        """Whether the run has its result."""
        return (self.folder / "result.json").exists()

    @property
    def result(self) -> dict[str, Any]:
        """The document of result.json. Raises RunError when the run has not finished, or the file is damaged."""
        if not self.finished:
            raise RunError(f"{self.folder}: has not finished. `fedsilo resume {self.folder}` continues it.")
        path = self.folder / "result.json"
        document = read_json(path)
        from fedsilo.report.results.result_schema import find_fault  # imports pydantic

        if fault := find_fault(document, self._measures_of(document)):
            raise RunError(
                f"{path}: is not a result of this version: {fault}. Remove it, and `fedsilo resume {self.folder}` "
                "writes it again."
            )
        return document

    def _measures_of(self, document: dict[str, Any]) -> Measures:
        """The metrics of the document. It lists them itself, so external components are not needed."""
        try:
            return read_measures(document)
        except (AttributeError, KeyError, TypeError, ValueError):  # damaged; the scenario's task has the metrics
            return self.scenario.task.measured

    @property
    def rounds(self) -> pd.DataFrame:
        """A table with one row per round: loss, metrics (ratios in [0, 1]), bytes, seconds by stage."""
        return _table(self.folder / ROUNDS)

    @property
    def clients(self) -> pd.DataFrame:
        """A table with one row per client and evaluated round."""
        return _table(self.folder / CLIENTS)

    @property
    def wire(self) -> pd.DataFrame:
        """A table of what clients and coordinator sent each other."""
        return _table(self.folder / WIRE)

    @property
    def results(self) -> pd.DataFrame:
        """The comparison table: chance, zero-shot, references and the method."""
        import pandas as pd

        return pd.DataFrame(self.result["rows"])

    @property
    def shared(self) -> dict[str, Tensor]:
        """The newest shared state, for PromptFL {"context": (L, W)}.

        Warns, as `private` and `predict` do, where a newer checkpoint is damaged and skipped.
        """
        return self._checkpoint().shared

    def private(self, client: int) -> dict[str, Tensor]:
        """Reads a client's newest private state.

        Args:
            client: Number of the client.

        Returns:
            Tensors by name; empty for methods without private state.
        """
        self._require_client(client)
        return self._checkpoint().private_of(client)

    def predict(self, client: int, images: Sequence[Image.Image], warn: Warn = _warn) -> pd.DataFrame:
        """Classifies images with a client's newest model.

        Args:
            client: Number of the client.
            images: Images of any size and mode.
            warn: Receives one line where a damaged checkpoint was skipped for an older one; warns by default.

        Returns:
            One row per image: the most probable class, its probability, the next best class, and all probabilities.
        """
        from fedsilo.report.results.prediction import predict

        self._require_client(client)
        template = str(read_json(self.folder / "data.json")["template"])
        return predict(self.scenario, self.candidates, template, self._checkpoint(warn), client, images)

    def _require_client(self, client: int) -> None:
        count = len(self.manifest.clients)
        if not 0 <= client < count:
            raise RunError(f"{self.folder}: there is no client {client}. It has clients 0 to {count - 1}.")

    def _checkpoint(self, warn: Warn = _warn) -> Checkpoint:
        checkpoint, notices = Checkpoints(self.folder / "checkpoints", keep=1).newest()
        if checkpoint is None:
            why = notices[-1] if notices else "no round has finished"
            raise RunError(f"{self.folder}: has no prompts yet: {why}.")
        if notices:
            first, *others = notices
            more = f" {len(others)} more {'is' if len(others) == 1 else 'are'} damaged." if others else ""
            warn(f"{first}{more} What follows is of round {checkpoint.round}.")
        return checkpoint


def list_method_folders(scenario: Scenario, folder: Path) -> Iterator[tuple[str, Path]]:
    """Lists the methods of a run with their folders.

    Args:
        scenario: The run's scenario.
        folder: The run's folder.

    Yields:
        Name of each method and the folder of its records, in the order in which the methods run.
    """
    method = title_of(scenario.method)
    for name in dict.fromkeys(["zero_shot", method, *scenario.evaluation.reference_names]):
        yield name, folder if name == method else folder / "references" / name.replace(":", ".")


def load(folder: str | Path) -> Run:
    """Opens a run.

    Args:
        folder: The run's folder.

    Returns:
        The run.

    Raises:
        RunError: The folder has no run.
    """
    return Run(find_run_folder(Path(folder)))


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.json_normalize(read_lines(path))
