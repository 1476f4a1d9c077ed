"""Secure aggregation: the coordinator learns the sum of the updates, noisy where the mechanism says so, and no update.

Each exchange is one round of the protocol in `fedsilo.secagg`. Keys and masks are made while clients train. A client
that dies or is late before its masked update has come is left out, one that does so afterwards counts; with fewer than
`threshold` clients left the exchange is given up before anything of it is opened.

Protected from: a coordinator that follows the protocol and looks at all it gets, together with up to `colluding`
clients, and anybody on the network. Not from clients that send wrong updates, nor from Ray: actors of one cluster share
an object store, so this shows what the protocol sends, not that processes are kept apart.

Source: Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017; Bell et al.,
"Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS 2020, for `graph: neighbours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedsilo.contracts import ClientTask, Exchange, Gathered
from fedsilo.errors import ScenarioError
from fedsilo.fields import key
from fedsilo.ring_sums import RingAggregation
from fedsilo.secagg.coordinator import SecureCoordinator, SecureSum
from fedsilo.secagg.encoding import Message
from fedsilo.secagg.graph import neighbours_needed
from fedsilo.secagg.messages import Advertise, Masked, Shares, Unmask
from fedsilo.secagg.parameters import GRAPHS, Parameters, default_threshold
from fedsilo.wire import crossed, message_lines, task_lines

DROPOUT = 0.05
"""Share of clients that may drop out without a round on the neighbours' graph failing more often than 2^-30."""


@dataclass(frozen=True)
class Secure(RingAggregation):
    """The sum of updates that are masked, so that only the sum can be read."""

    masks = True

    threshold: int = key(
        0,
        "Clients that must finish an exchange; 0: two thirds and one, more where colluding asks for it.",
        within=">= 0",
    )
    colluding: int = key(0, "Clients that may work together with the coordinator.", within=">= 0")
    graph: str = key(
        "complete",
        "Who masks with whom: all with all, or each with some neighbours (from about 50 clients; none may collude).",
        *GRAPHS,
    )
    neighbours: int = key(0, "Neighbours of each client in that graph; 0: as many as 5 % dropouts take.", within=">= 0")
    stage_timeout_s: float = key(
        60.0, "Longest wait for the answers of one stage of the protocol, training aside, seconds.", within="> 0"
    )

    def refusals(self, clients: int) -> list[str]:
        """Returns why so many clients cannot be summed securely."""
        if self.graph == "neighbours" and self.colluding:
            return [
                f"colluding: {self.colluding} clients could cut the neighbours' graph into parts whose sums they open. "
                "Use graph 'complete', or colluding 0."
            ]
        try:
            threshold = self.threshold or default_threshold(clients, self.colluding)
            return self._parameters(tuple(range(clients)), 1, threshold).problems()
        except ScenarioError as error:
            return [f"name: {error}"]

    def gather(self, exchange: Exchange) -> Gathered:
        """Returns the mean over the clients that stayed.

        Raises:
            RoundAborted: Fewer than the threshold stayed, at any stage.
            ProtocolViolation: A client did not keep to the protocol.
            ScenarioError: So many clients have no safe threshold.
        """
        clients = tuple(sorted(exchange.tasks))
        threshold = self.threshold or default_threshold(len(clients), self.colluding)
        encoding, tasks = self.encoded(exchange, threshold - self.colluding)
        dim = encoding.dim({name: tuple(tensor.shape) for name, tensor in exchange.reference.items()})
        session = _Session(exchange, tasks, self._parameters(clients, dim, threshold), self.stage_timeout_s)
        total = session.run()
        mean, loss = self.mean(exchange, encoding, total.total)
        return Gathered(
            mean=mean,
            clients=total.survivors,
            loss=loss,
            updates={},
            crossings=session.lines,
            upload_bytes=crossed(session.lines, "up"),
            download_bytes=crossed(session.lines, "down"),
            silent=session.silent,
        )

    def _parameters(self, clients: tuple[int, ...], dim: int, threshold: int) -> Parameters:
        if self.graph == "complete":
            return Parameters(clients, threshold, dim, self.colluding)
        needed = neighbours_needed(len(clients), self.colluding / len(clients), DROPOUT)
        count = self.neighbours or needed.neighbours
        return Parameters(clients, threshold, dim, self.colluding, self.graph, count, min(needed.quorum, count))


class _Session:
    """One round of the protocol, as the coordinator carries it out."""

    def __init__(
        self, exchange: Exchange, tasks: Mapping[int, ClientTask], parameters: Parameters, timeout_s: float
    ) -> None:
        first = next(iter(tasks.values()))
        context = f"{exchange.run}|{first.round}|{first.exchange}|{exchange.attempt}|{first.encoding}"
        self.lines: list[dict[str, object]] = []
        self.silent: tuple[int, ...] = ()
        self._exchange, self._tasks, self._timeout_s = exchange, tasks, timeout_s
        self._coordinator = SecureCoordinator(parameters, context.encode())

    def run(self) -> SecureSum:
        """Returns the opened sum."""
        coordinator, backend = self._coordinator, self._exchange.backend
        self.lines += task_lines(self._tasks)
        backend.learn(self._tasks)  # and while they do:
        opening = coordinator.opening()
        self._hear(Advertise, self._tell(dict.fromkeys(self._tasks, opening)))
        self._hear(Shares, self._tell(coordinator.close()))
        ready = self._tell(coordinator.close())  # mailboxes: clients make their masks
        self._hear(Masked, backend.masked(sorted(ready)))
        survivors = coordinator.close()
        self._exchange.charge(sorted(survivors))  # from here on the sum can become known
        answers = self._tell(survivors)
        self.silent = tuple(sorted(survivors.keys() - answers.keys()))
        self._hear(Unmask, answers)
        coordinator.close()
        return coordinator.result()

    def _tell(self, messages: Mapping[int, Message]) -> dict[int, bytes]:
        """Sends a stage's messages; returns the answers of those who are still there."""
        sent = {client: message.to_bytes() for client, message in messages.items()}
        kind = type(next(iter(messages.values()))).__name__.lower()
        self.lines += message_lines(self._tasks, kind, "down", sent)
        return self._exchange.backend.answer(sent, self._timeout_s)

    def _hear(self, kind: type[Advertise | Shares | Masked | Unmask], answers: Mapping[int, bytes]) -> None:
        self.lines += message_lines(self._tasks, kind.__name__.lower(), "up", answers)
        for client in sorted(answers):
            self._coordinator.receive(kind.from_bytes(answers[client]))
