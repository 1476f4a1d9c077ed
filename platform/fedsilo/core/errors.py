"""The errors a user can meet.

    FedsiloError
    ├── ScenarioError       the scenario file or an override is wrong; carries every problem found
    ├── UnknownComponent    no method, partition, data set or model of that name
    ├── DataError           images, labels or a manifest are missing, broken or do not fit
    ├── BackboneError       a model cannot be loaded, or its towers are not of a supported kind
    ├── ResourceError       the machine or the cluster cannot give what was asked
    ├── ClusterError        a part of the cluster failed during use; finished rounds are kept, resume the run
    ├── ClientError         a client failed; names client, round and stage
    │   ├── ClientLost      its process died or did not answer in time; the round can be tried again
    │   │   └── ClientOutOfMemory   it needs more memory than its share; it is given a larger one
    │   └── ProtocolViolation   a message of a secure sum that no honest side sends, with the reason
    ├── RoundAborted        too few clients, or too few shares, were left for a secure sum; the sum was not opened
    ├── NotEnoughShares     a shared secret stays closed
    ├── NotFinite           numbers are nan, infinite or too large where a result would rest on them
    ├── RunError            a run folder is missing, taken, damaged or of another scenario
    └── PrivacyBudgetError  a release would spend more than the budget

Every class takes the finished message first and everything else as an option: an exception whose `__init__`
has required keyword arguments loses its text on the way out of a Ray worker.
"""

from __future__ import annotations

from collections.abc import Sequence


class FedsiloError(Exception):
    """A fault that the user can act on; the message says where, what, and what to do."""


class ScenarioError(FedsiloError):
    """A scenario that cannot be run.

    Attributes:
        problems: One line per problem, in the order of the file.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Keeps the message, and all problems."""
        super().__init__(message, problems)
        self.problems: tuple[str, ...] = tuple(problems) or (message,)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class UnknownComponent(FedsiloError):
    """A name that no component has."""


class DataError(FedsiloError):
    """Data that is missing, broken, or not what the scenario says."""


class BackboneError(FedsiloError):
    """A model that cannot be loaded or is not of a supported kind."""


class ResourceError(FedsiloError):
    """The machine or the cluster has less than was asked for."""


class ClusterError(FedsiloError):
    """A part of the cluster that failed during use: the coordinator, an encoder, a machine, the object store."""


class ClientError(FedsiloError):
    """A client that failed, with the place of the failure.

    Attributes:
        client: The client's number, if known.
        round: The round, if known.
        stage: What the client was doing, for example "train".
    """

    def __init__(
        self, message: str, client: int | None = None, round: int | None = None, stage: str | None = None
    ) -> None:
        """Keeps the message, and where it happened."""
        super().__init__(message, client, round, stage)
        self.client, self.round, self.stage = client, round, stage

    def __str__(self) -> str:
        return str(self.args[0])


class ClientLost(ClientError):
    """A client whose process died or did not answer in time."""


class ClientOutOfMemory(ClientLost):
    """A client whose share of a GPU or of a machine's memory was too small."""


class ProtocolViolation(ClientError):
    """A message or a call that breaks the protocol of secure sums; the refusal reveals nothing.

    Attributes:
        reason: What was wrong in one or two words, for example "altered roster"; fixed, so that code can compare it.
    """

    def __init__(
        self,
        message: str,
        client: int | None = None,
        round: int | None = None,
        stage: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Keeps the message, where it happened, and why."""
        super().__init__(message, client, round, stage)
        self.reason = reason


class RoundAborted(FedsiloError):
    """A secure sum that was given up. Its keys are wiped; the round can be tried again with new keys.

    Attributes:
        stage: The stage that too few clients finished, if known.
        have: Clients (or shares of one client's secret) that were there.
        need: How many were needed.
        clients: Clients whose secrets could not be opened; the next attempt should leave them out.
    """

    def __init__(
        self,
        message: str,
        stage: str | None = None,
        have: int | None = None,
        need: int | None = None,
        clients: tuple[int, ...] = (),
    ) -> None:
        """Keeps the message, and who is left."""
        super().__init__(message, stage, have, need, clients)
        self.stage, self.have, self.need, self.clients = stage, have, need, clients

    def __str__(self) -> str:
        return str(self.args[0])


class NotEnoughShares(FedsiloError):
    """Fewer shares of a secret than are needed to open it."""


class NotFinite(FedsiloError):
    """Numbers that are nan, infinite or too large to compute with, where a result would rest on them."""


class RunError(FedsiloError):
    """A run folder that cannot be used as asked."""


class PrivacyBudgetError(FedsiloError):
    """A release that would exceed the privacy budget."""


class OldKeyWarning(UserWarning):
    """A scenario has a key of an earlier version. The message is one line that says how to rename it."""
