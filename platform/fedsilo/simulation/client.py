"""One client: its own data and private state, and what it does when asked. Ray knows nothing of it, nor it of Ray."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedsilo.aggregation.secagg.masking_client import MaskingClient
from fedsilo.aggregation.secagg.modular_vectors import Residues
from fedsilo.core import (
    Arrays,
    ClientScore,
    ClientTask,
    ClientUpdate,
    EvaluationTask,
    Mechanism,
    Method,
    Predictor,
    Release,
    State,
)
from fedsilo.core.errors import ClientError, NotFinite
from fedsilo.core.finiteness import locate_faults, require_finite
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import bind_purpose, derive_key
from fedsilo.core.state import read_state, require_like, sha256, to_arrays, to_tensors, write_state
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.simulation.client_data import ClientData, ClientRules, Novelty
from fedsilo.simulation.client_measurement import ClientMeasurement
from fedsilo.simulation.coordinator_checks import Agreement

__all__ = ["Client", "ClientData", "ClientRules", "Novelty"]


class Client:
    """A data owner in the federation."""

    def __init__(self, data: ClientData, model: FrozenModel, rules: ClientRules) -> None:
        """Makes a client that has yet to take up a method.

        Args:
            data: What it holds.
            model: The frozen side, shared with other clients and never written.
            rules: What the scenario says.
        """
        self._held, self._whole, self._rules = data, model, rules
        self._model = model.seen_only()
        self._data = data
        self._train_labels = torch.from_numpy(np.array(data.train_labels, dtype=np.int64))
        self._masking = MaskingClient(data.number)

    @property
    def number(self) -> int:
        """Returns the client's number."""
        return self._data.number

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Sets the method and its mechanism; the private state becomes the method's initial one.

        Args:
            method: The method.
            mechanism: The privacy mechanism, fitted to the method.
        """
        self._method, self._mechanism = method, mechanism
        self._training = self._rules.training_of(method)
        self._data = self._held.only(method.reads)
        rules, number = self._rules, self._data.number
        self._agreement = Agreement(
            number, rules.clients, len(self._train_labels), method, mechanism, rules.aggregation
        )
        self._masking.sign_with(self._agreement.signer())
        self.reset()

    def reset(self) -> None:
        """Gives the private state its initial value."""
        self._private = self._method.initial_private(self._model, self._rules.seed, self._data.number)

    def train(self, task: ClientTask) -> ClientUpdate:
        """Trains for one exchange, and keeps the private state that training leaves.

        Args:
            task: What the coordinator asks.

        Returns:
            The protected update.
        """
        began, started = time.time(), time.perf_counter()
        if task.encoding is not None or self._agreement.encodes:
            self._agreement.check(task, masked=False)
        upload, loss = self._learnt(task)
        examples = len(self._train_labels)
        if task.encoding is not None:  # weight and loss travel in the vector
            upload, examples, loss = {"modular": self._encoded(task, upload, loss)}, 0, math.nan  # type: ignore[dict-item]
        elif not self._mechanism.trusts_coordinator:  # no noise was added to the loss
            loss = math.nan
        took = time.perf_counter() - started
        if not self._mechanism.trusts_coordinator:  # how long it takes depends on the data, and on the Poisson sample
            took, began = math.nan, math.nan
        return ClientUpdate(self._data.number, upload, examples, loss, took, began)

    def learn(self, task: ClientTask) -> None:
        """Trains for one exchange and keeps the encoded update for `masked`.

        Args:
            task: What the coordinator asks.
        """
        self._agreement.check(task, masked=True)
        upload, loss = self._learnt(task)
        assert task.encoding is not None
        self._masking.keep(self._encoded(task, upload, loss), partial(self._agreement.check_sum, task.encoding))

    def answer(self, message: bytes) -> bytes:
        """Answers a message of secure aggregation, without using the update.

        Args:
            message: The coordinator's message, as bytes.

        Returns:
            The answer, as bytes.
        """
        return self._masking.answer(message)

    def masked(self) -> bytes:
        """Returns the update that was learnt, masked: nothing without the masks of all others in the sum."""
        return self._masking.masked()

    def evaluate(self, task: EvaluationTask) -> ClientScore:
        """Measures the received state, together with this client's private state, on test images.

        Args:
            task: What the coordinator asks.

        Returns:
            The counts on each set of test images.
        """
        began, started = time.time(), time.perf_counter()
        with self._located("evaluate", task.round):
            score = self._measured(task)
        if not (task.timed and self._mechanism.trusts_coordinator):
            return score
        return replace(score, seconds=time.perf_counter() - started, began=began)

    def _measured(self, task: EvaluationTask) -> ClientScore:
        work = self._work(task.shared, task.round, 0)
        if len(work.labels):  # a client without a training image has nothing to adapt to
            self._keep(self._method.adapt(work))
        with torch.no_grad():
            predictor = partial(self._predictor, shared=work.shared)
            return ClientMeasurement(self._data, self._rules, self._whole, predictor).measure(task.neighbours)

    def _predictor(self, model: FrozenModel, shared: State) -> Predictor:
        """Scores over the candidates of a model, which need not be those of training."""
        private: State = self._on_device(self._private)
        if model is not self._model:
            private = self._method.private_for_new_classes(model, private)
        return self._method.predictor(model, shared, private)

    def save(self, folder: Path) -> str:
        """Writes the private state; an empty state is not written.

        Args:
            folder: Folder of the checkpoint.

        Returns:
            sha256 of the state.
        """
        if not self._private:
            return sha256({})
        return write_state(self._file(folder), self._private)

    def restore(self, folder: Path, expected: str) -> None:
        """Reads a private state that `save` wrote.

        Args:
            folder: Folder of the checkpoint.
            expected: sha256 that the state must have.

        Raises:
            RunError: The state is damaged, or belongs to another client or method.
        """
        private = {} if expected == sha256({}) else read_state(self._file(folder), expected)
        pattern = self._method.initial_private(self._model, self._rules.seed, self._data.number)
        require_like(private, pattern, self._file(folder))
        self._private = private

    def _learnt(self, task: ClientTask) -> tuple[Arrays, float]:
        """The upload as the mechanism lets it leave, and the loss."""
        with self._located("train", task.round, task.exchange):
            work = self._work(task.shared, task.round, task.exchange)
            work = replace(work, attempt=task.attempt, exchanges=task.exchanges)
            result = self._method.train(work)
            self._keep(result.private)
            self._require_declared(result.upload)
            require_finite(result.upload, "the upload")
            if math.isinf(result.loss):
                raise NotFinite(f"the mean loss is {result.loss}")
            known: State = work.shared  # what the coordinator knows before the upload comes; of a gradient nothing
            if self._method.uploads_gradients:
                known = {name: torch.zeros_like(work.shared[name]) for name in self._method.uploads}
            release = Release(known, 1, work.secret("client noise", work.exchange))
            upload = self._mechanism.protect_client(result.upload, release)
            require_finite(upload, "the upload after the privacy mechanism")
            return to_arrays(upload), result.loss

    @contextmanager
    def _located(self, stage: str, round: int, exchange: int = 0) -> Iterator[None]:
        """Says of numbers that are not finite at which client and when, and what to do."""
        number = self._data.number
        sections = {"training.optimizer": self._training.optimizer, "method": self._method, "privacy": self._mechanism}
        try:
            with locate_faults(f"client {number}, round {round}, exchange {exchange}, stage {stage!r}", sections):
                yield
        except NotFinite as error:
            raise ClientError(str(error), client=number, round=round, stage=stage) from None

    def _encoded(self, task: ClientTask, upload: Arrays, loss: float) -> Residues:
        """The update as a ring vector. Of gradients nothing is known before, of new values what was received."""
        encoding = task.encoding
        assert encoding is not None
        known = {} if self._method.uploads_gradients else task.shared
        change = {name: array.astype(np.float64) - known.get(name, 0.0) for name, array in upload.items()}
        purpose = bind_purpose("noise share", task.attempt, self._mechanism.federation)
        where = {"client": self._data.number, "step": task.exchange}
        key = derive_key(self._rules.seed, purpose, round=task.round, **where) if encoding.seeded else os.urandom(32)
        return encoding.encode(change, len(self._train_labels), loss, key)

    def _work(self, shared: Arrays, round: int, exchange: int) -> LocalWork:
        rules, data = self._rules, self._data
        received = to_tensors(shared)
        require_finite(received, "the received state")
        return LocalWork(
            model=self._model,
            task=rules.task,
            features=data.train,
            labels=self._train_labels,
            shared=self._on_device(received),
            private=self._on_device(self._private),
            training=self._training,
            mechanism=self._mechanism,
            seed=rules.seed,
            client=data.number,
            round=round,
            exchange=exchange,
        )

    def _keep(self, private: State) -> None:
        require_finite(private, "the private state")
        self._private = {name: tensor.detach().cpu() for name, tensor in private.items()}

    def _require_declared(self, upload: State) -> None:
        if set(upload) != set(self._method.uploads):
            raise ClientError(
                f"client {self._data.number}: the method uploads {sorted(upload)} "
                f"but declares {sorted(self._method.uploads)}. Correct `uploads` in the method's file.",
                client=self._data.number,
                stage="upload",
            )

    def _on_device(self, state: State) -> dict[str, Tensor]:
        return {name: tensor.to(self._model.device) for name, tensor in state.items()}

    def _file(self, folder: Path) -> Path:
        return folder / f"client-{self._data.number:04d}.safetensors"
