"""What a client holds a task to: its own mechanism and aggregation, whatever the coordinator says.

How an update is encoded, its share of the noise included, follows from these two and a few public numbers. The client
computes it by itself and takes part only where the coordinator says the same, so a coordinator cannot ask for less
noise, a wider clip, a loss that is not to be told, a sum of fewer clients, or an update without masks.

The mechanism is the one that was fitted before round 0. That as many clients exist as take part is checked only where
they sign (`identities`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from fedsilo.aggregation.secagg import update_vectors as updates
from fedsilo.aggregation.secagg.protocol_messages import Opening
from fedsilo.aggregation.secagg.signatures import Signer
from fedsilo.core import Aggregation, ClientTask, Mechanism, Method, SumTerms
from fedsilo.core.errors import ProtocolViolation
from fedsilo.core.messages import UpdateEncoding


@dataclass(frozen=True)
class Agreement:
    """What one client agreed to before the first round.

    Attributes:
        client: The client's number.
        clients: Clients in the federation.
        examples: The client's training examples.
        method: The method.
        mechanism: The mechanism, fitted to it.
        aggregation: How updates are added up; None: tasks are not checked.
    """

    client: int
    clients: int
    examples: int
    method: Method
    mechanism: Mechanism
    aggregation: Aggregation | None

    @cached_property
    def encodes(self) -> bool:
        """Whether its aggregation masks or encodes updates; if not, a task without an encoding needs no check."""
        rule = self.aggregation
        return rule is not None and (rule.masks or type(rule).encoding is not Aggregation.encoding)

    def signer(self) -> Signer | None:
        """Returns what the client signs its keys with; None: it does not. Raises ScenarioError."""
        if self.aggregation is None or not self.method.uploads:
            return None
        signer: Signer | None = self.aggregation.signer(self.client, self.clients)
        return signer

    def check(self, task: ClientTask, masked: bool) -> None:
        """Refuses a task that protects less than was agreed.

        Args:
            task: What the coordinator sent.
            masked: Whether the update will leave under masks only.

        Raises:
            ProtocolViolation: 'weak protection', with what is asked for and what was agreed.
        """
        if self.aggregation is None:
            return
        sends = bool(self.method.uploads)
        if sends and self.aggregation.masks and not masked:
            raise self._refusal("its update without masks", "it only sends it in a masked sum")
        expected = self._expected(task) if sends else None
        if task.encoding == expected:
            return
        if task.encoding is None or expected is None:
            raise self._refusal(f"an update with {task.encoding}", f"agreed was {expected}")
        other = [
            f.name
            for f in fields(updates.ModularEncoding)
            if getattr(task.encoding, f.name) != getattr(expected, f.name)
        ]
        asked, agreed = (
            ", ".join(f"{name} {getattr(encoding, name)}" for name in other) for encoding in (task.encoding, expected)
        )
        raise self._refusal(f"an update encoded with {asked}", f"its own mechanism and aggregation give {agreed}")

    def check_sum(self, encoding: UpdateEncoding, opening: Opening) -> None:
        """Refuses to be masked in a sum that opens with fewer clients, or of others or other updates, than was agreed.

        Args:
            encoding: How the update is encoded.
            opening: That of the round.

        Raises:
            ProtocolViolation: 'parameters', with what they are and what was agreed.
        """
        parameters = opening.parameters
        if not opening.context.endswith(encoding.ending):
            named = opening.context[-200:].decode("utf-8", "replace")
            raise self._refusal(f"a sum called {named!r}", f"its update has {encoding}", "parameters")
        if parameters.unknown < encoding.honest:
            raise self._refusal(
                f"a sum in which {parameters.unknown} updates are unknown to others",
                f"its noise is for {encoding.honest} and more",
                "parameters",
            )
        if self.aggregation is None:
            return
        agreed = self.aggregation.parameters(parameters.clients, parameters.dim)
        known = len(parameters.clients) == encoding.clients and max(parameters.clients) < self.clients
        if parameters != agreed or not known:
            raise self._refusal(f"a sum with {parameters}", f"agreed was {agreed}", "parameters")

    def _expected(self, task: ClientTask) -> UpdateEncoding | None:
        assert self.aggregation is not None
        asked = task.encoding
        if asked is not None and not (1 <= asked.clients <= self.clients and asked.largest >= self.examples):
            raise self._refusal(
                f"a sum of {asked.clients} clients of at most {asked.largest} examples",
                f"there are {self.clients}, and it has {self.examples} examples",
            )
        terms = SumTerms(
            clients=asked.clients if asked else self.clients,
            uniform=self.mechanism.uniform or self.method.uniform,
            largest=asked.largest if asked else self.examples,
            attempt=asked.attempt if asked else 0,
            coordinates=sum(task.shared[name].size for name in self.method.uploads if name in task.shared),
        )
        return self.aggregation.encoding(self.mechanism, terms)

    def _refusal(self, asked: str, agreed: str, reason: str = "weak protection") -> ProtocolViolation:
        return ProtocolViolation(
            f"client {self.client}: refuses what the coordinator asks for: {asked}; {agreed}. "
            "Coordinator and clients must run the same scenario.",
            client=self.client,
            reason=reason,
        )
