"""Lost clients: restarted, given the method, and put back to their private state of the last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from fedsilo.core import Backend
from fedsilo.core.errors import ClientLost
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.storage.checkpoints import Checkpoint


class ClientRecovery:
    """Brings the clients of a backend to a known state."""

    def __init__(self, plan: FederationPlan, backend: Backend) -> None:
        """Keeps the plan and the backend.

        Args:
            plan: What the federation does.
            backend: Where the clients are.
        """
        self._plan, self._backend = plan, backend

    def prepare(self, checkpoint: Checkpoint | None) -> list[str]:
        """Gives every client the method and its private state, before the first round of this process.

        Args:
            checkpoint: Where the run continues; None for a new run.

        Returns:
            A notice for each attempt that lost a client.

        Raises:
            ClientLost: Clients were lost in each of `retries` + 1 attempts.
        """
        notices, lost = list[str](), None
        for _ in range(self._plan.retries + 1):
            try:
                if lost:
                    notices.append(f"the method was set again: {lost}")
                    self._backend.restart(self._plan.method, self._plan.mechanism)
                self._backend.set_method(self._plan.method, self._plan.mechanism)
                if checkpoint:
                    self._backend.restore(checkpoint.folder, checkpoint.private)
                return notices
            except ClientLost as error:
                lost = error
        assert lost is not None
        raise lost

    def go_back(self, before: Checkpoint | None) -> None:
        """Restarts lost clients, and puts every client back to its private state before the round.

        Args:
            before: The checkpoint before the round; None before round 0.
        """
        self._backend.restart(self._plan.method, self._plan.mechanism)
        if before:
            self._backend.restore(before.folder, before.private)
        else:
            self._backend.set_method(self._plan.method, self._plan.mechanism)

    def bring_back(self, missing: Sequence[int], silent: Sequence[int], before: Checkpoint | None) -> None:
        """Prepares clients that dropped out of one exchange for the next one.

        Args:
            missing: Clients that are not in the sum.
            silent: Clients that are in the sum and were lost afterwards.
            before: The checkpoint before the round; None before round 0.
        """
        back = self._backend.restart(self._plan.method, self._plan.mechanism)
        if before:
            again = sorted({*missing, *silent, *back})
            self._backend.restore(before.folder, {client: before.private[client] for client in again})
        else:  # a client that was left out has trained on what counts nowhere
            self._backend.reset(sorted(set(missing) - back))
