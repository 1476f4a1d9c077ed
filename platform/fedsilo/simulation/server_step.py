"""The server's step of one exchange: from the mean upload to the next shared state."""

from __future__ import annotations

from fedsilo.core import Gathered, Release, State
from fedsilo.core.finiteness import locate_faults, require_finite
from fedsilo.core.round_work import ServerWork
from fedsilo.core.seeds import bind_purpose, keyed_generator
from fedsilo.core.state import to_tensors
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.simulation.stale_updates import StaleStates


def server_step(
    plan: FederationPlan, versions: StaleStates, shared: State, gathered: Gathered, at: tuple[LedgerEntry, int]
) -> State:
    """Computes the next shared state: adds central noise to the mean, then has the method step.

    Args:
        plan: What the federation does.
        versions: Older shared states, for updates that began from one.
        shared: The shared state that clients received.
        gathered: The mean upload, and who is in it.
        at: The ledger's entry of the exchange, and the number of exchanges of its round.

    Returns:
        The shared state after the exchange.

    Raises:
        NotFinite: The mean, or the state after the step, is not finite.
    """
    sections = {"training.optimizer": plan.training.optimizer, "method": plan.method, "privacy": plan.mechanism}
    entry = at[0]
    with locate_faults(f"coordinator, round {entry.round}, exchange {entry.exchange}", sections):
        return _step(plan, versions, shared, gathered, at)


def _step(
    plan: FederationPlan, versions: StaleStates, shared: State, gathered: Gathered, at: tuple[LedgerEntry, int]
) -> State:
    method, (entry, exchanges) = plan.method, at
    purpose = bind_purpose("central noise", entry.attempt, plan.mechanism.federation)
    noise = keyed_generator(plan.seed, purpose, round=entry.round, step=entry.exchange)
    protected = plan.mechanism.protect_mean(gathered.mean, Release(shared, len(gathered.clients), noise))
    # Noise first: rounded beside large numbers, a mean could move by more than what one client may move it by.
    mean = {name: tensor.to(shared[name].dtype) for name, tensor in protected.items()}
    require_finite(mean, "the mean upload")
    mean = versions.stepped(shared, mean)
    clear = {c: to_tensors(arrays) for c, arrays in gathered.updates.items()} if method.reads_updates else {}
    work = ServerWork(
        shared=shared,
        mean=mean,
        updates=clear,
        sizes=plan.sizes,
        training=plan.training,
        round=entry.round,
        exchange=entry.exchange,
        exchanges=exchanges,
        participants=len(gathered.clients),
    )
    stepped = method.server_step(work)
    require_finite(stepped, "the shared state after the server's step")
    return stepped
