"""A finished or interrupted run, read back: tables, prompts, predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError
from fedsilo.core.metrics import read_measures
from fedsilo.core.registry import title_of
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.results.summary import schema
from fedsilo.storage.checkpoints import Checkpoint, Checkpoints
from fedsilo.storage.json_schema import faults
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, WIRE, find_run_folder, read_json, read_lines

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image
    from torch import Tensor


Told = Callable[[str], None]


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)


@dataclass(frozen=True)
class Run:
    """One run's folder as Python objects.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @cached_property
    def scenario(self) -> Scenario:
        """Returns the resolved scenario."""
        return read(self.folder / "scenario.yaml")

    @cached_property
    def manifest(self) -> Manifest:
        """Returns the frozen partition."""
        return Manifest.read(self.folder / "partition.json")

    @property
    def finished(self) -> bool:
        """Returns whether the run has its result."""
        return (self.folder / "result.json").exists()

    @property
    def result(self) -> dict[str, Any]:
        """Returns the document of result.json. Raises RunError when the run has not finished, or it is not sound."""
        if not self.finished:
            raise RunError(f"{self.folder}: has not finished. `fedsilo resume {self.folder}` goes on with it.")
        path = self.folder / "result.json"
        document = read_json(path)
        fault = next(faults(document, self._form_of(document)), "")
        if fault:
            raise RunError(
                f"{path}: is not a result of this version: {fault}. Remove it, and `fedsilo resume {self.folder}` "
                "writes it again."
            )
        return document

    def _form_of(self, document: dict[str, Any]) -> Any:
        """What the document must look like: it lists its metrics itself, so code from outside is not needed for it."""
        try:
            return schema(read_measures(document))
        except (AttributeError, KeyError, TypeError, ValueError):  # not sound; the task says what it should be
            return schema(self.scenario.task.measured)

    @property
    def rounds(self) -> pd.DataFrame:
        """Returns a table with one row per round: loss, accuracies in [0, 1], bytes, seconds by stage."""
        return _table(self.folder / ROUNDS)

    @property
    def clients(self) -> pd.DataFrame:
        """Returns a table with one row per client and evaluated round."""
        return _table(self.folder / CLIENTS)

    @property
    def wire(self) -> pd.DataFrame:
        """Returns a table of what crossed between clients and coordinator."""
        return _table(self.folder / WIRE)

    @property
    def results(self) -> pd.DataFrame:
        """Returns the comparison table: chance, zero-shot, references and the method."""
        import pandas as pd

        return pd.DataFrame(self.result["rows"])

    @property
    def shared(self) -> dict[str, Tensor]:
        """Returns the newest shared state, for PromptFL {"context": (L, W)}.

        Warns, as `private` and `predict` do, where a newer checkpoint is damaged and passed over.
        """
        return self._checkpoint().shared

    def private(self, client: int) -> dict[str, Tensor]:
        """Returns one client's newest private state; empty for methods without one."""
        self._known(client)
        return self._checkpoint().private_of(client)

    def predict(self, client: int, images: Sequence[Image.Image], told: Told = _warn) -> pd.DataFrame:
        """Returns one row per image with the client's most probable class, its probability, and all probabilities.

        Args:
            client: Whose model classifies.
            images: Images of any size and mode.
            told: Told, in one line, where a damaged checkpoint was passed over for an older one; warns by default.
        """
        from fedsilo.report.results.prediction import predict

        self._known(client)
        template = str(read_json(self.folder / "data.json")["template"])
        return predict(self.scenario, self.manifest.classes, template, self._checkpoint(told), client, images)

    def _known(self, client: int) -> None:
        count = len(self.manifest.clients)
        if not 0 <= client < count:
            raise RunError(f"{self.folder}: there is no client {client}. It has clients 0 to {count - 1}.")

    def _checkpoint(self, told: Told = _warn) -> Checkpoint:
        checkpoint, notices = Checkpoints(self.folder / "checkpoints", keep=1).newest()
        if checkpoint is None:
            why = notices[-1] if notices else "no round has finished"
            raise RunError(f"{self.folder}: has no prompts yet: {why}.")
        if notices:
            first, *others = notices
            more = f" {len(others)} more {'is' if len(others) == 1 else 'are'} damaged." if others else ""
            told(f"{first}{more} What follows is of round {checkpoint.round}.")
        return checkpoint


def homes(scenario: Scenario, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields each method of a run with the folder of its records, in the order in which they run."""
    method = title_of(scenario.method)
    for name in dict.fromkeys(["zero_shot", method, *scenario.evaluation.references]):
        yield name, folder if name == method else folder / "references" / name.replace(":", ".")


def load(folder: str | Path) -> Run:
    """Returns the run in a folder. Raises RunError when there is none."""
    return Run(find_run_folder(Path(folder)))


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.json_normalize(read_lines(path))
