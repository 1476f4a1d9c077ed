"""One exchange under secure aggregation: the stages of the protocol, carried by messages to the clients."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fedsilo.aggregation.secagg.encoding import Message, malformed, read_kind
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator, SecureSum
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Masked, Refusal, SealedShares, Unmask
from fedsilo.core import ClientTask, Exchange
from fedsilo.core.errors import ProtocolViolation, RoundAborted
from fedsilo.storage.wire_log import make_message_lines, make_task_lines


class SecureExchange:
    """One round of the protocol, run by the coordinator. Whatever clients send, it ends or is aborted.

    Attributes:
        lines: What crossed, as lines of the wire log.
        silent: Clients whose vector is in the sum and that did not answer afterwards.
    """

    def __init__(
        self, exchange: Exchange, tasks: Mapping[int, ClientTask], coordinator: SecureCoordinator, timeout_s: float
    ) -> None:
        """Prepares a round; nothing is sent yet.

        Args:
            exchange: The exchange.
            tasks: The participants' tasks, with the encoding in them.
            coordinator: The coordinator's side of the protocol.
            timeout_s: Longest wait for the answers of one stage, training aside, seconds.
        """
        self.lines: list[dict[str, object]] = []
        self.silent: tuple[int, ...] = ()
        self._wrong: dict[int, str] = {}
        self._exchange, self._tasks, self._timeout_s = exchange, tasks, timeout_s
        self._coordinator = coordinator

    @property
    def notices(self) -> list[str]:
        """What clients sent that was wrong, one line each."""
        left_out = [f"client {client} was left out: {why}" for client, why in sorted(self._wrong.items())]
        return [line.rstrip(". ") for line in left_out + self._coordinator.notices]

    def run(self) -> SecureSum:
        """Runs all stages.

        Returns:
            The opened sum.

        Raises:
            RoundAborted: Too few clients stayed, or their shares do not open the sum.
        """
        try:
            return self._run_stages()
        except RoundAborted as error:
            if not self.notices:
                raise
            text = f"{error} Before that: {'; '.join(self.notices)}."
            raise RoundAborted(text, error.stage, error.have, error.need, error.clients) from error

    def _run_stages(self) -> SecureSum:
        coordinator, backend = self._coordinator, self._exchange.backend
        self.lines += make_task_lines(self._tasks)
        backend.learn(self._tasks)  # does not wait; the messages below are exchanged meanwhile
        opening = coordinator.opening()
        self._receive(Advertise, self._send(dict.fromkeys(self._tasks, opening)))
        self._receive(SealedShares, self._send(coordinator.close()))
        ready = self._find_ready(self._send(coordinator.close()))  # mailboxes: clients make their masks
        self._receive(Masked, self._keep_valid(backend.masked(ready), ready))
        survivors = coordinator.close()
        self._exchange.charge(sorted(survivors))  # from here on the sum can become known
        answers = self._send(survivors)
        self.silent = tuple(sorted(survivors.keys() - answers.keys() - self._wrong.keys()))
        self._receive(Unmask, answers)
        coordinator.close()
        return coordinator.result()

    def _send(self, messages: Mapping[int, Message]) -> dict[int, bytes]:
        """Sends a stage's messages and returns the answers of clients that are still there."""
        sent = {client: message.to_bytes() for client, message in messages.items()}
        kind = next(iter(messages.values())).label
        self.lines += make_message_lines(self._tasks, kind, "down", sent)
        return self._keep_valid(self._exchange.backend.answer(sent, self._timeout_s), sent)

    def _keep_valid(self, answers: Mapping[int, object], asked: Collection[int]) -> dict[int, bytes]:
        """The answers that are bytes, from clients that were asked and are not barred; a refusal is no answer."""
        sound = {}
        for client in asked:
            answer = answers.get(client)
            if client in self._exchange.barred:
                self._wrong.setdefault(client, "its secrets could not be opened in the attempt before")
            elif isinstance(answer, bytes):
                sound[client] = answer
            elif client in answers:
                self._wrong[client] = "it answered with no bytes"
        return {client: answer for client, answer in sound.items() if not self._is_refusal(client, answer)}

    def _is_refusal(self, client: int, answer: bytes) -> bool:
        if read_kind(answer) != Refusal.kind:
            return False
        try:
            self._wrong[client] = f"it refused: {Refusal.from_bytes(answer).reason}"
        except ProtocolViolation as error:
            self._wrong[client] = str(error)
        return True

    def _find_ready(self, answers: Mapping[int, bytes]) -> list[int]:
        """Clients whose masks are ready: their answer to a mailbox is empty."""
        self._wrong |= dict.fromkeys((client for client, answer in answers.items() if answer), "no answer to a mailbox")
        return sorted(client for client, answer in answers.items() if not answer)

    def _receive(self, kind: type[Advertise | SealedShares | Masked | Unmask], answers: Mapping[int, bytes]) -> None:
        """Gives a stage's messages to the coordinator; a client without a valid message has dropped out."""
        self.lines += make_message_lines(self._tasks, kind.label, "up", answers)
        for client in sorted(answers):
            try:
                message = kind.from_bytes(answers[client])
                if message.sender != client:
                    raise malformed(f"'{kind.label}' in the name of client {message.sender}")
                self._coordinator.receive(message)
            except ProtocolViolation as error:
                self._wrong[client] = str(error)
