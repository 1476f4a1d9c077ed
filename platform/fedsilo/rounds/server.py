"""The server's step of one exchange: from the mean upload to the next shared state."""

from __future__ import annotations

from fedsilo.contracts import Gathered, Release, State
from fedsilo.finiteness import located, require_finite
from fedsilo.learning.training import ServerWork
from fedsilo.rounds.plan import Plan
from fedsilo.rounds.versions import Versions
from fedsilo.seeds import anew, torch_generator
from fedsilo.state import to_tensors


def server_step(plan: Plan, versions: Versions, shared: State, gathered: Gathered, at: tuple[int, int, int]) -> State:
    """Returns the shared state after an exchange.

    Args:
        plan: What the federation does.
        versions: Older shared states, for updates that began from one.
        shared: The shared state that clients received.
        gathered: What came of the exchange.
        at: Round, exchange and attempt.

    Raises:
        NotFinite: The mean, or the state after the step, is not finite.
    """
    sections = {"training.optimizer": plan.training.optimizer, "method": plan.method, "privacy": plan.mechanism}
    with located(f"coordinator, round {at[0]}, exchange {at[1]}", sections):
        return _step(plan, versions, shared, gathered, at)


def _step(plan: Plan, versions: Versions, shared: State, gathered: Gathered, at: tuple[int, int, int]) -> State:
    method, (round, exchange, attempt) = plan.method, at
    purpose = anew("central noise", attempt, plan.mechanism.federation)
    noise = torch_generator(plan.seed, purpose, round=round, step=exchange)
    mean = dict(plan.mechanism.protect_mean(gathered.mean, Release(shared, len(gathered.clients), noise)))
    require_finite(mean, "the mean upload")
    mean = versions.stepped(shared, mean)
    clear = {c: to_tensors(arrays) for c, arrays in gathered.updates.items()} if method.reads_updates else {}
    stepped = method.server_step(ServerWork(shared, mean, clear, plan.sizes, plan.training, round, exchange))
    require_finite(stepped, "the shared state after the server's step")
    return stepped
