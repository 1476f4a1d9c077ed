"""Log-probabilities of a run's models for every image of the pool: all that an attack sees of the run.

There are two views. `client`: each client's own model, with its final shared and private state, on that client's
images. It is the worst case, because a client's private state normally stays with the client. `shared`: the downloaded
shared state with the private state that a client starts from, which anyone who only receives models can compute.

Dimensions: n rows of the population, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fedsilo.core import Indices, Predictor, Progress
from fedsilo.core.errors import RunError
from fedsilo.core.state import require_like
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import SHARED
from fedsilo.runs.audit.audited_images import Draw, Flags, Population, build_population, redraw
from fedsilo.runs.audit.shadow_scenario import ImagePool, Redrawn
from fedsilo.runs.audit.trained_on import find_exposed
from fedsilo.simulation.preparation import Prepared, prepare
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.checkpoints import Checkpoint, Checkpoints
from fedsilo.storage.run_folder import read_json

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observation:
    """One run, observed through its models.

    Attributes:
        log_probabilities: Log-probabilities (n, K) of all classes, by the model of the row's client.
        members: Whether (n,) the image was among the client's training images.
        exposed: Whether (n,) the image was in a batch.
        canaries: Whether (n,) a fair coin decided the membership; False everywhere for the audited run.
    """

    log_probabilities: Scores
    members: Flags
    exposed: Flags
    canaries: Flags

    @property
    def sound(self) -> Flags:
        """Whether (n,) membership is certain; False for a member that was in no batch."""
        return np.equal(self.exposed, self.members)


@dataclass(frozen=True, slots=True)
class Observer:
    """Observes runs that have the same pool, backbone and method.

    Attributes:
        run: The audited run.
        view: `client` or `shared`.
        prepared: The pool's features and the frozen model.
        population: The rows.
    """

    run: Run
    view: str
    prepared: Prepared
    population: Population

    def observe_target(self) -> Observation:
        """Observes the audited run.

        Returns:
            The observation.

        Raises:
            RunError: The run's models are missing, damaged or not finite.
        """
        positions = self._pool_positions()
        seen = [positions[found] for found in find_exposed(self.run, self.prepared.model.seen_only())]
        nowhere = np.zeros(len(self.population), dtype=bool)
        return self._observe(self.run, Draw(self.population.members, nowhere), seen)

    def observe_shadow(self, run: Run, number: int) -> Observation:
        """Observes a shadow run.

        Args:
            run: The shadow run.
            number: Its number.

        Returns:
            The observation.

        Raises:
            RunError: The run's models are missing, damaged or not finite.
        """
        draw = redraw(self.population, self.run.scenario.seed, number)
        return self._observe(run, draw, find_exposed(run, self.prepared.model.seen_only()))

    def score_untrained(self) -> Scores:
        """Computes the log-probabilities of the hand-written prompts, which are not trained.

        Returns:
            Log-probabilities (n, K).
        """
        predictor = ZeroShot().predictor(self.prepared.model, {}, {})
        return self._log_probabilities(lambda client: predictor)

    def _pool_positions(self) -> Indices:
        """Position in the pool (training split,) of each training image; -1 for an image outside the pool."""
        held = self.run.manifest.held
        positions = np.full(self.run.manifest.train_examples, -1, dtype=np.int64)
        positions[held] = np.arange(len(held))
        return positions

    def _observe(self, run: Run, draw: Draw, seen: Sequence[Indices]) -> Observation:
        rows = self.population
        in_a_batch = np.zeros(len(rows), dtype=bool)
        for client, positions in enumerate(seen):
            mine = rows.clients == client
            in_a_batch[mine] = np.isin(rows.positions[mine], positions)
        found = self._log_probabilities(self._load_models(run))
        # Scores that are not finite tell an attack nothing.
        if not np.isfinite(found).all():
            raise RunError(f"{run.folder}: its models give scores that are not finite, so there is nothing to audit.")
        return Observation(found, draw.members, in_a_batch & draw.members, draw.canaries)

    def _load_models(self, run: Run) -> Callable[[int], Predictor]:
        """Returns a function that maps a client to its model in this view."""
        checkpoint, scenario, model = read_last_checkpoint(run), run.scenario, self.prepared.model.seen_only()
        checkpoint.require_shared(scenario.method.initial_shared(model, scenario.seed))

        def predictor(client: int) -> Predictor:
            initial = scenario.method.initial_private(model, scenario.seed, client)
            if self.view == SHARED:
                private = initial
            else:
                private = checkpoint.private_of(client)
                require_like(private, initial, checkpoint.private_path(client))
            shared = scenario.method.download(checkpoint.shared, client)
            own = [{name: tensor.to(model.device) for name, tensor in state.items()} for state in (shared, private)]
            whole = self.prepared.model
            if whole is not model:  # the pool contains images of pairs that are not trained on
                own[1] = dict(scenario.method.private_for_new_classes(whole, own[1]))
            return scenario.method.predictor(whole, *own)

        return predictor

    @torch.no_grad()
    def _log_probabilities(self, predictor: Callable[[int], Predictor]) -> Scores:
        rows, device = self.population, self.prepared.model.device
        found = np.empty((len(rows), len(self.prepared.images.classes)))
        for client in range(len(rows.domains)):
            mine, predict = np.flatnonzero(rows.clients == client), predictor(client)
            for chosen in _batches(mine, self.run.scenario.evaluation.batch_size):
                inputs = self.prepared.warehouse.test.batch(rows.positions[chosen], 0)
                scores = predict({name: column.to(device) for name, column in inputs.items()})
                found[chosen] = scores.double().log_softmax(dim=1).cpu().numpy()
        return found


def prepare_observer(run: Run, view: str, progress: Progress = lambda stage, done, total: None) -> Observer:
    """Prepares the observation of a run and its shadow runs: the pool's features, from the cache where possible.

    Args:
        run: The audited run.
        view: `client` or `shared`.
        progress: Called while features are computed: progress(stage, done, total).

    Returns:
        The observer.

    Raises:
        DataError: The run's images are no longer available, or have changed.
        RunError: The backbone differs from the one that the run used.
    """
    scenario = replace(
        run.scenario,
        data=ImagePool(str(run.folder)),
        partition=Redrawn(str(run.folder)),
        training=replace(run.scenario.training, views=0, online=False),
    )
    methods = [ZeroShot(), scenario.method]  # `untrained` needs zero-shot's inputs
    prepared = prepare(scenario, methods, SerialRuntime(scenario.backbone.device), progress)
    if read_json(run.folder / "data.json").get("backbone_sha256") != prepared.backbone:
        raise RunError(f"{run.folder}: the backbone's weights differ from those of the run. Restore them.")
    return Observer(run, view, prepared, build_population(run.manifest, prepared.images))


def read_last_checkpoint(run: Run) -> Checkpoint:
    """Reads the checkpoint of a run's last round.

    Args:
        run: The run.

    Returns:
        The checkpoint.

    Raises:
        RunError: The checkpoint is missing or damaged.
    """
    checkpoint, notices = Checkpoints(run.folder / "checkpoints", keep=1).newest()
    rounds = run.scenario.training.rounds
    if checkpoint is None or checkpoint.round != rounds - 1:
        why = f" ({notices[0]})" if notices else ""
        raise RunError(f"{run.folder}: the checkpoint of its last round, {rounds - 1}, is missing{why}. Run it again.")
    return checkpoint


def _batches(rows: Indices, size: int) -> list[Indices]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
