"""Secure aggregation: the coordinator learns the sum of the updates, noisy where the mechanism says so, and no update.

Each exchange is one round of the protocol in `fedsilo.aggregation.secagg`. Keys and masks are made while clients train.
A client that dies, is late or sends what no honest client sends before its masked update has come is left out; one that
does so afterwards counts. With fewer than `threshold` clients left the exchange is given up before any sum is opened.

Protected from: a coordinator that follows the protocol and looks at all it gets, together with up to `colluding`
clients, and anybody who listens on the network. With `identities` also from who stands between clients and answers for
some of them. Not from clients that send wrong updates, nor from Ray: actors of one cluster share an object store, so
this shows what the protocol sends, not that processes are kept apart.

Source: Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017; Bell et al.,
"Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS 2020, for `graph: neighbours`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fedsilo.aggregation.secagg.encoding import Message, garbage, kind_of
from fedsilo.aggregation.secagg.graph import neighbours_needed
from fedsilo.aggregation.secagg.identities import HOW, check_private_keys, find_exposed_keys, read_members, read_signer
from fedsilo.aggregation.secagg.modular_sums import RingAggregation
from fedsilo.aggregation.secagg.parameters import GRAPHS, Parameters, default_threshold
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator, SecureSum
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Masked, Refusal, Shares, Unmask
from fedsilo.aggregation.secagg.signatures import Signer
from fedsilo.aggregation.secagg.update_vectors import Encoding
from fedsilo.core import ClientTask, Exchange, Gathered
from fedsilo.core.config_fields import key
from fedsilo.core.errors import ProtocolViolation, RoundAborted, ScenarioError
from fedsilo.data.files.file_sources import from_home, is_missing
from fedsilo.storage.wire_log import crossed, message_lines, task_lines

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

    identities: str = key(
        "",
        "Folder with client-N.pub of every client, and where client N is its client-N.key, by which they sign their "
        "keys; empty: unsigned, which protects from listeners only. ~ is the home folder.",
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        if self.identities and (is_missing(self.identities) or self._folder.is_file()):
            return [f"identities: there is no folder '{self.identities}'. {HOW}"]
        return []

    def refusals(self, clients: int) -> list[str]:
        """Returns why so many clients cannot be summed securely."""
        if self.graph == "neighbours" and self.colluding:
            return [
                f"colluding: {self.colluding} clients could cut the neighbours' graph into parts whose sums they open. "
                "Use graph 'complete', or colluding 0."
            ]
        try:
            return self.parameters(tuple(range(clients)), 1).problems()
        except ScenarioError as error:
            return [f"name: {error}"]

    def identity_problems(self, clients: int) -> list[str]:
        """Returns what is wrong with the keys of clients, one line; nothing where none are used.

        Of private keys those are looked at that are on this machine.
        """
        if not self.identities or is_missing(self.identities) or not self._folder.is_dir():
            return []  # a missing folder is a problem by itself, unless it is on another machine
        try:
            check_private_keys(self._folder, range(clients))
        except ScenarioError as error:
            return [f"identities: {error}"]
        return []

    def identity_notices(self, clients: int) -> list[str]:
        """Returns a line where private keys on this machine can be read by others than their owner."""
        exposed = find_exposed_keys(self._folder, range(clients)) if self.identities else []
        if not exposed:
            return []
        more = f" and {len(exposed) - 1} more" if len(exposed) > 1 else ""
        return [f"aggregation.identities: {exposed[0]}{more} can be read by other users. Use chmod 600."]

    def identities_sha256(self, clients: int) -> str:
        """Returns the hash of the public keys of so many clients, "" where they do not sign. Raises ScenarioError."""
        return read_members(self._folder, range(clients)).sha256() if self.identities else ""

    def signer(self, client: int, clients: int) -> Signer | None:
        """Returns what a client signs with; None where the scenario names no keys. Raises ScenarioError."""
        return read_signer(self._folder, client, range(clients)) if self.identities else None

    def with_absolute_paths(self) -> Secure:
        """Returns the same with the whole path of the folder."""
        return replace(self, identities=str(self._folder.absolute())) if self.identities else self

    @property
    def _folder(self) -> Path:
        return from_home(self.identities)

    def gather(self, exchange: Exchange) -> Gathered:
        """Returns the mean over the clients that stayed.

        Raises:
            RoundAborted: Fewer than the threshold stayed, at any stage, or their shares do not open the sum.
            ProtocolViolation: Clients refuse the round itself: it is not what they agreed to.
            ScenarioError: So many clients have no safe threshold, or public keys cannot be read.
        """
        encoding, tasks = self.encoded(exchange)
        session = _Session(exchange, tasks, self._coordinator(exchange, encoding), self.stage_timeout_s)
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
            notices=tuple(session.notices),
        )

    def unknown(self, clients: int) -> int:
        """Returns how many vectors of an opened sum nobody knows at least: the noise must come from as many shares."""
        return self.parameters(tuple(range(clients)), 1).unknown

    def parameters(self, clients: tuple[int, ...], dim: int) -> Parameters:
        """Returns what all sides of a sum agree on. Raises ScenarioError where so many have no safe threshold."""
        threshold = self.threshold or default_threshold(len(clients), self.colluding)
        if self.graph == "complete":
            return Parameters(clients, threshold, dim, self.colluding)
        needed = neighbours_needed(len(clients), self.colluding / len(clients), DROPOUT)
        count = self.neighbours or needed.neighbours
        return Parameters(clients, threshold, dim, self.colluding, self.graph, count, min(needed.quorum, count))

    def _coordinator(self, exchange: Exchange, encoding: Encoding) -> SecureCoordinator:
        clients, first = tuple(sorted(exchange.tasks)), next(iter(exchange.tasks.values()))
        dim = encoding.dim({name: tuple(tensor.shape) for name, tensor in exchange.reference.items()})
        context = f"{exchange.run}|{first.round}|{first.exchange}|{exchange.attempt}"
        members = _members(self._folder, clients) if self.identities else None
        return SecureCoordinator(self.parameters(clients, dim), context.encode() + encoding.ending, members)


_members = lru_cache(maxsize=8)(read_members)  # read once in a run, not for every exchange


class _Session:
    """One round of the protocol, as the coordinator carries it out. Whatever clients send, it ends or is aborted."""

    def __init__(
        self, exchange: Exchange, tasks: Mapping[int, ClientTask], coordinator: SecureCoordinator, timeout_s: float
    ) -> None:
        self.lines: list[dict[str, object]] = []
        self.silent: tuple[int, ...] = ()
        self._wrong: dict[int, str] = {}
        self._exchange, self._tasks, self._timeout_s = exchange, tasks, timeout_s
        self._coordinator = coordinator

    @property
    def notices(self) -> list[str]:
        """What clients sent that was wrong."""
        left_out = [f"client {client} was not heard any more: {why}" for client, why in sorted(self._wrong.items())]
        return [line.rstrip(". ") for line in left_out + self._coordinator.notices]

    def run(self) -> SecureSum:
        """Returns the opened sum."""
        try:
            return self._opened()
        except RoundAborted as error:
            if not self.notices:
                raise
            text = f"{error} Before that: {'; '.join(self.notices)}."
            raise RoundAborted(text, error.stage, error.have, error.need, error.clients) from error

    def _opened(self) -> SecureSum:
        coordinator, backend = self._coordinator, self._exchange.backend
        self.lines += task_lines(self._tasks)
        backend.learn(self._tasks)  # and while they do:
        opening = coordinator.opening()
        self._hear(Advertise, self._tell(dict.fromkeys(self._tasks, opening)))
        self._hear(Shares, self._tell(coordinator.close()))
        ready = self._ready(self._tell(coordinator.close()))  # mailboxes: clients make their masks
        self._hear(Masked, self._sound(backend.masked(ready), ready))
        survivors = coordinator.close()
        self._exchange.charge(sorted(survivors))  # from here on the sum can become known
        answers = self._tell(survivors)
        self.silent = tuple(sorted(survivors.keys() - answers.keys() - self._wrong.keys()))
        self._hear(Unmask, answers)
        coordinator.close()
        return coordinator.result()

    def _tell(self, messages: Mapping[int, Message]) -> dict[int, bytes]:
        """Sends a stage's messages; returns the answers of those who are still there."""
        sent = {client: message.to_bytes() for client, message in messages.items()}
        kind = type(next(iter(messages.values()))).__name__.lower()
        self.lines += message_lines(self._tasks, kind, "down", sent)
        return self._sound(self._exchange.backend.answer(sent, self._timeout_s), sent)

    def _sound(self, answers: Mapping[int, object], asked: Collection[int]) -> dict[int, bytes]:
        """The answers that are bytes, of clients that were asked and are heard; a refusal is none."""
        sound = {}
        for client in asked:
            answer = answers.get(client)
            if client in self._exchange.barred:
                self._wrong.setdefault(client, "its secrets could not be opened in the attempt before")
            elif isinstance(answer, bytes):
                sound[client] = answer
            elif client in answers:
                self._wrong[client] = "it answered with no bytes"
        return {client: answer for client, answer in sound.items() if not self._refused(client, answer)}

    def _refused(self, client: int, answer: bytes) -> bool:
        if kind_of(answer) != Refusal.kind:
            return False
        try:
            self._wrong[client] = f"it refused: {Refusal.from_bytes(answer).reason}"
        except ProtocolViolation as error:
            self._wrong[client] = str(error)
        return True

    def _ready(self, answers: Mapping[int, bytes]) -> list[int]:
        """Clients whose masks are ready: they answer a mailbox with nothing."""
        self._wrong |= dict.fromkeys((client for client, answer in answers.items() if answer), "no answer to a mailbox")
        return sorted(client for client, answer in answers.items() if not answer)

    def _hear(self, kind: type[Advertise | Shares | Masked | Unmask], answers: Mapping[int, bytes]) -> None:
        """Takes the messages of a stage; who sent none that fits has dropped out."""
        self.lines += message_lines(self._tasks, kind.__name__.lower(), "up", answers)
        for client in sorted(answers):
            try:
                message = kind.from_bytes(answers[client])
                if message.sender != client:
                    raise garbage(f"{kind.__name__} in the name of client {message.sender}")
                self._coordinator.receive(message)
            except ProtocolViolation as error:
                self._wrong[client] = str(error)
